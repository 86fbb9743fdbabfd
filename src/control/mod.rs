//! What operators and Prometheus talk to: a unix socket and an HTTP listener.
