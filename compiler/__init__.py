"""Rule language, Plan, passes and back ends."""
