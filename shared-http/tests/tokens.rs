//! Tokens as honest issuers make them, and as others do.

mod common;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use common::*;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared_http::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn payload(hands: &Hands) -> Value {
    let exp = hands.now().timestamp() + 300;
    json!({"iss": ISSUER, "aud": AUDIENCE, "exp": exp, "sub": "staff-1", "account_id": "clinic-1", "role": "staff"})
}

/// The payload with one claim replaced, or taken out by null.
fn but(hands: &Hands, claim: &str, value: Value) -> Value {
    let mut payload = payload(hands);
    let claims = payload.as_object_mut().expect("object");
    if value.is_null() {
        claims.remove(claim)
    } else {
        claims.insert(claim.to_owned(), value)
    };
    payload
}

fn signed(private_pem: &str, payload: &Value) -> String {
    let key = EncodingKey::from_ed_pem(private_pem.as_bytes()).expect("a key");
    encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), payload, &key).expect("signed")
}

/// A token with a header of our choice; the signature is whatever `sign` makes of the rest.
fn assembled(header: Value, payload: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(payload));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    move |message| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
}

async fn code(verifier: &Verifier, token: &str) -> String {
    match verifier.verify(token).await {
        Ok(_) => "ok".to_owned(),
        Err(problem) => problem.code().to_owned(),
    }
}

#[tokio::test]
async fn only_what_the_issuer_signed_for_us_and_now_is_believed() {
    let hands = Hands::new();
    let (private, public) = generate_signing_key().expect("a key");
    let (stranger, _) = generate_signing_key().expect("a key");
    let verifier = verifier(KeySource::Pem(public.clone()), Algorithm::EdDSA, &hands);
    let good = payload(&hands);
    let der = STANDARD.decode(public.lines().nth(1).expect("a line")).expect("base64");
    let signature_of = |payload: &Value| signed(&private, payload);
    let (head, tail) = {
        let token = signature_of(&good);
        let (message, signature) = token.rsplit_once('.').expect("parts");
        (message.to_owned(), signature.to_owned())
    };
    let mut flipped = URL_SAFE_NO_PAD.decode(&tail).expect("base64");
    flipped[0] ^= 1;
    let forged = [
        ("no token", String::new()),
        ("not a token", "s3cret".into()),
        ("three dots", "a.b.c".into()),
        ("enormous", "a".repeat(100_000)),
        ("another's key", signed(&stranger, &good)),
        ("changed signature", format!("{head}.{}", URL_SAFE_NO_PAD.encode(flipped))),
        ("no signature", format!("{head}.")),
        ("alg none", assembled(json!({"alg": "none", "typ": "JWT"}), &good, |_| Vec::new())),
        ("alg None", assembled(json!({"alg": "None"}), &good, |_| Vec::new())),
        ("public PEM as HMAC secret", assembled(json!({"alg": "HS256"}), &good, hs256(public.as_bytes()))),
        ("public DER as HMAC secret", assembled(json!({"alg": "HS256"}), &good, hs256(&der))),
        ("public key as HMAC secret", assembled(json!({"alg": "HS256"}), &good, hs256(&der[12..]))),
        ("another algorithm's name", assembled(json!({"alg": "RS256"}), &good, |_| vec![1; 64])),
        ("wrong audience", signature_of(&but(&hands, "aud", json!("elsewhere")))),
        ("wrong audiences", signature_of(&but(&hands, "aud", json!(["elsewhere", "there"])))),
        ("no audience", signature_of(&but(&hands, "aud", Value::Null))),
        ("wrong issuer", signature_of(&but(&hands, "iss", json!("https://evil.example.org")))),
        ("no issuer", signature_of(&but(&hands, "iss", Value::Null))),
        ("no expiry", signature_of(&but(&hands, "exp", Value::Null))),
        ("expiry in words", signature_of(&but(&hands, "exp", json!("tomorrow")))),
        ("no subject", signature_of(&but(&hands, "sub", Value::Null))),
        ("empty subject", signature_of(&but(&hands, "sub", json!("")))),
        ("no clinic", signature_of(&but(&hands, "account_id", Value::Null))),
        ("empty clinic", signature_of(&but(&hands, "account_id", json!(" ")))),
        ("unknown role", signature_of(&but(&hands, "role", json!("root")))),
        ("not yet", signature_of(&but(&hands, "nbf", json!(hands.now().timestamp() + 60)))),
    ];
    assert_eq!(code(&verifier, &signature_of(&good)).await, "ok");
    assert_eq!(code(&verifier, &signature_of(&but(&hands, "aud", json!(["x", AUDIENCE])))).await, "ok");
    for (what, token) in forged {
        assert_eq!(code(&verifier, &token).await, "token_invalid", "{what}");
    }
}

#[tokio::test]
async fn an_extension_marked_critical_is_not_passed_over() {
    let hands = Hands::new();
    let (private, public) = generate_signing_key().expect("a key");
    let verifier = verifier(KeySource::Pem(public), Algorithm::EdDSA, &hands);
    let key = EncodingKey::from_ed_pem(private.as_bytes()).expect("a key");
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(jsonwebtoken::Algorithm::EdDSA) };
    let token = encode(&header, &payload(&hands), &key).expect("signed");
    assert_eq!(code(&verifier, &token).await, "token_invalid");
}

#[tokio::test]
async fn a_token_ages_with_thirty_seconds_of_leeway() {
    let hands = Hands::new();
    let minter = minter(&hands);
    let verifier = verifier(KeySource::Pem(minter.public_pem().into()), Algorithm::EdDSA, &hands);
    let token = minter.mint(&claims(Role::Admin), TimeDelta::seconds(60)).expect("a token");
    let caller = verifier.verify(&token).await.expect("believed");
    assert_eq!(
        (caller.account.as_str(), caller.subject.as_str(), caller.role),
        ("clinic-1", "staff-1", Role::Admin)
    );
    hands.turn(TimeDelta::seconds(89));
    assert_eq!(code(&verifier, &token).await, "ok");
    hands.turn(TimeDelta::seconds(1));
    assert_eq!(code(&verifier, &token).await, "token_expired");
}

#[tokio::test]
async fn es256_works_where_it_is_pinned_and_only_there() {
    let hands = Hands::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let der: PublicKeyX509Der = pair.public_key().as_der().expect("a key");
    let public = pem("PUBLIC KEY", der.as_ref());
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("a key").as_ref());
    let token = encode(&Header::new(jsonwebtoken::Algorithm::ES256), &payload(&hands), &key).expect("signed");
    let pinned = verifier(KeySource::Pem(public), Algorithm::ES256, &hands);
    assert_eq!(code(&pinned, &token).await, "ok");

    let (private, public) = generate_signing_key().expect("a key");
    let eddsa = verifier(KeySource::Pem(public.clone()), Algorithm::EdDSA, &hands);
    assert_eq!(code(&eddsa, &token).await, "token_invalid");
    assert_eq!(code(&pinned, &signed(&private, &payload(&hands))).await, "token_invalid");
    let config = VerifierConfig {
        keys: KeySource::Pem(public),
        issuer: "i".into(),
        audience: "a".into(),
        algorithm: Algorithm::ES256,
    };
    assert!(Verifier::new(config, hands.clock()).is_err());
}

#[tokio::test]
async fn rs256_works_for_issuers_that_have_nothing_newer() {
    let hands = Hands::new();
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let der: PublicKeyX509Der = pair.public_key().as_der().expect("a key");
    let private: aws_lc_rs::encoding::Pkcs8V1Der = pair.as_der().expect("a key");
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).expect("a key");
    let token = encode(&Header::new(jsonwebtoken::Algorithm::RS256), &payload(&hands), &key).expect("signed");
    let public = pem("PUBLIC KEY", der.as_ref());
    let pinned = verifier(KeySource::Pem(public.clone()), Algorithm::RS256, &hands);
    assert_eq!(code(&pinned, &token).await, "ok");
    let confused = assembled(json!({"alg": "HS256"}), &payload(&hands), hs256(public.as_bytes()));
    assert_eq!(code(&pinned, &confused).await, "token_invalid");
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A key set at an address of its own: what it holds (nothing: it answers 500), and how often it was asked.
#[derive(Clone, Default)]
struct Issuer {
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn holds(&self, keys: Option<Vec<Value>>) {
        *self.keys.lock().expect("lock") = keys;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn serve(&self) -> Served {
        let answer = async |State(issuer): State<Issuer>| {
            issuer.asked.fetch_add(1, Ordering::SeqCst);
            let keys = issuer.keys.lock().expect("lock").clone();
            keys.map(|keys| Json(json!({ "keys": keys }))).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
        };
        serve(Router::new().route("/jwks", get(answer)).with_state(self.clone()), Limits::default()).await
    }
}

#[tokio::test]
async fn keys_rotate_and_an_issuer_away_signs_nobody_out() {
    let (hands, issuer) = (Hands::new(), Issuer::default());
    let served = issuer.serve().await;
    let verifier = verifier(KeySource::Jwks(served.url("/jwks")), Algorithm::EdDSA, &hands);
    let (old, new) = (minter(&hands), minter(&hands));
    let token = |minter: &Minter| minter.mint(&claims(Role::Staff), TimeDelta::days(1)).expect("a token");

    // Never reached yet: not the caller's fault, and asked again only after the pause.
    assert_eq!(code(&verifier, &token(&old)).await, "keys_unavailable");
    issuer.holds(Some(vec![old.jwk(), json!({"kty": "AKP", "kid": "future"})]));
    assert_eq!(code(&verifier, &token(&old)).await, "keys_unavailable");
    assert_eq!(issuer.asked(), 1);
    hands.turn(TimeDelta::seconds(10));
    assert_eq!(code(&verifier, &token(&old)).await, "ok");

    // A new key is found by its unknown id, after the pause and not before.
    issuer.holds(Some(vec![old.jwk(), new.jwk()]));
    assert_eq!(code(&verifier, &token(&new)).await, "token_invalid");
    hands.turn(TimeDelta::seconds(10));
    assert_eq!(code(&verifier, &token(&new)).await, "ok");
    assert_eq!(code(&verifier, &token(&old)).await, "ok");
    assert_eq!(issuer.asked(), 3);

    // The issuer goes away: what we know goes on.
    issuer.holds(None);
    hands.turn(TimeDelta::minutes(11));
    assert_eq!(code(&verifier, &token(&new)).await, "ok");
    assert_eq!(issuer.asked(), 4);
    assert_eq!(code(&verifier, &token(&minter(&hands))).await, "token_invalid");

    // It comes back without the old key: that one stops working.
    issuer.holds(Some(vec![new.jwk()]));
    hands.turn(TimeDelta::minutes(11));
    assert_eq!(code(&verifier, &token(&new)).await, "ok");
    assert_eq!(code(&verifier, &token(&old)).await, "token_invalid");
}

#[tokio::test]
async fn a_flood_of_forged_key_ids_asks_the_issuer_once() {
    let (hands, issuer) = (Hands::new(), Issuer::default());
    let served = issuer.serve().await;
    let honest = minter(&hands);
    issuer.holds(Some(vec![honest.jwk()]));
    let verifier = verifier(KeySource::Jwks(served.url("/jwks")), Algorithm::EdDSA, &hands);
    let forged =
        (0..50).map(|_| minter(&hands).mint(&claims(Role::Admin), TimeDelta::days(1)).expect("a token"));
    let attempts: Vec<_> = forged.map(|token| (verifier.clone(), token)).collect();
    let attempts = attempts.iter().map(|(verifier, token)| code(verifier, token));
    assert!(futures_util::future::join_all(attempts).await.iter().all(|code| code == "token_invalid"));
    assert_eq!(issuer.asked(), 1);

    // A known key's id over another key's signature, and a token that names no key.
    let kid = honest.kid();
    let (private, _) = generate_signing_key().expect("a key");
    let key = EncodingKey::from_ed_pem(private.as_bytes()).expect("a key");
    let header = Header { kid: Some(kid), ..Header::new(jsonwebtoken::Algorithm::EdDSA) };
    let token = encode(&header, &payload(&hands), &key).expect("signed");
    assert_eq!(code(&verifier, &token).await, "token_invalid");
    assert_eq!(code(&verifier, &signed(&private, &payload(&hands))).await, "token_invalid");
}

#[tokio::test]
async fn the_header_is_read_strictly_and_the_token_never_echoed() {
    let hands = Hands::new();
    let minter = minter(&hands);
    let keys = KeySource::Pem(minter.public_pem().into());
    let app = app(verifier(keys, Algorithm::EdDSA, &hands));
    let (router, _) = api().split_for_parts();
    let router = router.route("/internal/x", get(async |_: ServiceCall| "ok")).with_state(app);
    let served = serve(manners(router, ManneredConfig::default()), Limits::default()).await;
    let ask = async |path: &str, headers: &[String]| {
        let mut request = client().get(served.url(path));
        for header in headers {
            request = request.header("authorization", header);
        }
        request.send().await.expect("an answer")
    };
    let token = minter.mint(&claims(Role::Viewer), TimeDelta::minutes(5)).expect("a token");
    let bearer = |token: &str| format!("Bearer {token}");
    let patients = "/api/patients";
    for (path, headers, told) in [
        (patients, vec![], "token_missing"),
        (patients, vec!["Basic czNjcmV0".to_owned()], "token_missing"),
        (patients, vec!["Bearer".to_owned()], "token_missing"),
        (patients, vec![bearer("s3cret")], "token_invalid"),
        (patients, vec![bearer(&token), bearer(&token)], "token_invalid"),
        (patients, vec![bearer(SERVICE_TOKEN)], "token_invalid"),
        ("/internal/x", vec![], "token_missing"),
        ("/internal/x", vec![bearer(&token)], "token_invalid"),
    ] {
        let response = ask(path, &headers).await;
        let challenge = response.headers()["www-authenticate"].to_str().expect("text").to_owned();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        let (status, code, body) = refusal(response).await;
        assert_eq!((status, code.as_str()), (401, told), "{headers:?}");
        assert!(!body.to_string().contains("s3cret") && !body.to_string().contains(&token));
    }
    assert_eq!(ask(patients, &[format!("bearer {token}")]).await.status(), 200);
    assert_eq!(ask("/internal/x", &[bearer(SERVICE_TOKEN)]).await.status(), 200);

    let post =
        client().post(served.url(patients)).bearer_auth(&token).header("content-type", "application/json");
    let (status, code, body) = refusal(post.body("{\"email\":\"a\"}").send().await.expect("an answer")).await;
    assert_eq!((status, code.as_str(), &body["required_role"]), (403, "role_insufficient", &"staff".into()));
}
