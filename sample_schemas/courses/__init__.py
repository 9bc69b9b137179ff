"""A sample to audit: a school's courses, read and written by asynchronous functions."""
