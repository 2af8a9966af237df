//! A session joined to a made-up responder, with a time of its own.
