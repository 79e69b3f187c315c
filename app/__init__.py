"""The service: HTTP, records, files, the mouth of the queue. It never loads torch."""
