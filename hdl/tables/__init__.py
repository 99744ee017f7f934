"""Tables in memories: rows that change while packets pass, in parts that each have a model in plain Python."""
