//! patients-service
