"""A sample to audit: the metering tables of a network service, a sync with defects, its repair."""
