"""The backends: networks trained by other libraries, from our weights, batches and order of rows."""
