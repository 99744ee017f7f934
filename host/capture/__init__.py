"""Capture files and record files, read in batches and written."""
