//! An embedded city and province around the daemon: the main job, to watch.
