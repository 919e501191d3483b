//! invites-service
