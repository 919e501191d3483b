//! The API's own description: what every operation shares is added here, once.

use crate::access;
use crate::problem::{FieldError, PROBLEM_JSON, Problem};
use axum::Router;
use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Info, ObjectBuilder, OpenApi, OpenApiVersion, Ref, RefOr, Response, ResponseBuilder,
    Schema,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

/// What texts are that hold no control character.
const NO_CONTROLS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// The name of the bearer scheme in the documents.
pub const BEARER: &str = "bearer";

/// Completes what `OpenApiRouter` collected: title, OpenAPI 3.1, the bearer scheme with the role each operation needs
/// (see [`crate::access`]), and the problems an operation can answer by its nature. What
/// a handler documents itself stands.
pub fn describe(mut document: OpenApi, title: &str, version: &str, description: &str) -> OpenApi {
    document.openapi = OpenApiVersion::Version31;
    document.info = Info::new(title, version);
    document.info.description = Some(description.to_owned());
    document.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(bearer()));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let changes = !method.is_safe();
            access::declare(operation, changes);
            name_problems(operation);
            add_problems(operation, path.contains('{'), changes);
        }
    }
    document
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(scheme.description(Some("A staff token with the clinic and a role.")).build())
}

/// The operations of a path.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::HEAD, &mut item.head),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn add_problems(operation: &mut Operation, names_something: bool, changes: bool) {
    let has_body = operation.request_body.is_some();
    let signed_in = !is_public(operation);
    let if_match = has_header(operation, "If-Match");
    let key = has_header(operation, "Idempotency-Key");
    let common = [
        (true, "400", "Not understood: the path, the query, a header or the JSON is malformed"),
        (signed_in, "401", "No token, or one that is not accepted"),
        (signed_in, "403", "The caller's role does not allow this"),
        (names_something, "404", "No such thing in the caller's clinic"),
        (changes, "409", "The present state does not allow this"),
        (if_match, "412", "Changed by someone else in the meantime"),
        (has_body, "413", "The body is too large"),
        (has_body, "415", "The body's media type is not taken here"),
        (has_body || key, "422", "Well-formed, but not acceptable; errors point at the fields"),
        (if_match, "428", "If-Match is required"),
        (true, "429", "Too many requests; see Retry-After"),
        (true, "500", "Something went wrong on our side"),
        (true, "503", "Not available for the moment; see Retry-After"),
    ];
    for (_, status, description) in common.into_iter().filter(|(sensible, ..)| *sensible) {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
}

/// What a handler documents as a problem is sent as one.
fn name_problems(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let is_problem = |content: &RefOr<Content>| match content {
            RefOr::T(content) => {
                matches!(&content.schema, Some(RefOr::Ref(of)) if of.ref_location.ends_with("/Problem"))
            }
            RefOr::Ref(_) => false,
        };
        if response.content.get("application/json").is_some_and(is_problem)
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM_JSON.to_owned(), content);
        }
    }
}

/// A text without control characters, for parameters; `least` and `most` are its characters.
pub fn plain_text(least: usize, most: Option<usize>) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(NO_CONTROLS));
    Schema::Object(text.min_length(Some(least)).max_length(most).build())
}

/// One of these words, for parameters.
pub fn word(words: &[&str]) -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.to_vec())).build())
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

fn is_public(operation: &Operation) -> bool {
    let none = SecurityRequirement::default();
    operation.security.as_ref().is_some_and(|all| all.is_empty() || all.contains(&none))
}

fn has_header(operation: &Operation, name: &str) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name.eq_ignore_ascii_case(name),
        RefOr::Ref(_) => false,
    })
}

/// One service's document, and where it is served.
pub struct Document {
    /// Shown in the page's list of services.
    pub name: &'static str,
    /// Its path: `/openapi/<service>.json`.
    pub path: &'static str,
    /// What [`describe`] made.
    pub openapi: OpenApi,
}

/// Serves each document at its path, and one page to try them all at `/docs`. The page is compiled in:
/// nothing is loaded from elsewhere, and no document is sent to a validator.
pub fn docs<S: Clone + Send + Sync + 'static>(documents: Vec<Document>) -> Router<S> {
    let config = Config::default().validator_url("none").try_it_out_enabled(true);
    let urls =
        documents.into_iter().map(|document| (Url::new(document.name, document.path), document.openapi));
    SwaggerUi::new("/docs").config(config).urls(urls.collect()).into()
}
