//! invites-service: the offers a clinic makes to its patients, and the logins of those who took them up.
//!
//! * [`domain`]: is it allowed, and what then happened?
//! * [`desk`]: groups of commands become events, logins and rows in one transaction.
//! * [`store`]: what is remembered.
//! * [`tokens`], [`passwords`]: links and passwords, neither of which is kept in clear anywhere.
//! * [`logins`]: persons sign in, and set a password anew.
//! * [`limits`]: how often what may be done.
//! * [`consumers`]: what patients-service and the mailer said, and what is done about it.
//! * [`sweeper`]: says that what lapsed has lapsed.
//! * [`eraser`]: forgets erased patients; [`new_links`]: makes links anew whose key leaked.
//! * [`bulk`]: many patients invited at once, in the background.
//! * [`http`]: what was asked, how it is answered.
//! * [`service`]: all of it put together and run.

pub mod bulk;
pub mod consumers;
pub mod desk;
pub mod domain;
pub mod eraser;
pub mod http;
pub mod limits;
pub mod logins;
pub mod new_links;
pub mod passwords;
pub mod service;
pub mod store;
pub mod sweeper;
pub mod tokens;
