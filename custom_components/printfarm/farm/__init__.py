"""The domain: jobs, queue, dispatch, release and recovery, without Home Assistant."""
