//! The gateway's key and the broker's password show nowhere, however they were given and however much is logged.

use crate::support::{API_KEY, Follower, Instance, World, donate, get, id};

const PASSWORD: &str = "hunter2hunter2";
const HTTP2: (&str, &str) = ("ALMONER__GATEWAY__HTTP2_PRIOR_KNOWLEDGE", "true");
/// Everything, from every library too.
const LOUD: (&str, &str) = ("RUST_LOG", "trace");

/// Ways to give both secrets.
fn ways(world: &World) -> Vec<Vec<(&'static str, String)>> {
    let file = |name: &str, secret: &str| {
        let path = world.store().with_file_name(name);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let by_file = vec![
        ("ALMONER__GATEWAY__API_KEY_FILE", file("key", API_KEY)),
        (
            "ALMONER__KAFKA__CLIENT__SASL_PASSWORD_FILE",
            file("password", PASSWORD),
        ),
    ];
    let by_variable = vec![
        ("ALMONER__GATEWAY__API_KEY", API_KEY.to_owned()),
        ("ALMONER__KAFKA__CLIENT__SASL_PASSWORD", PASSWORD.to_owned()),
    ];
    vec![by_file, by_variable]
}

#[test]
fn no_secret_shows_in_anything_that_a_run_writes() {
    let mut world = World::new(&[]);
    let follower = world.follower();
    let clients = [None, Some(HTTP2)];
    for ((way, client), n) in ways(&world).into_iter().zip(clients).zip(0..) {
        run(&world, &follower, &way, client, n);
    }
    // Inline in the file, with all that librdkafka can say, and a gateway that is away for a while.
    world.more_kafka = format!(
        "client.\"sasl.password\" = \"{PASSWORD}\"\nclient.debug = \"conf,security,broker\""
    );
    world.gateway.kill();
    let instance = world.start_with(&[], &[LOUD]);
    world.publisher().publish(&[donate(7, "user-7")]);
    follower.wait("news of the gateway", |seen| {
        seen.of(id(7))
            .next()
            .map(|told| assert_eq!(told.event_type, "donation.pending"))
    });
    world.gateway.start_again();
    follower.wait_ended(&[id(7)]);
    assert_hidden(instance);

    let audit = world.audit();
    assert!(audit.status.success());
    let said = String::from_utf8([audit.stdout, audit.stderr].concat()).unwrap();
    assert!(
        !said.contains(API_KEY) && !said.contains(PASSWORD),
        "{said}"
    );
}

/// One run that charges a donation.
fn run(
    world: &World,
    follower: &Follower,
    way: &[(&'static str, String)],
    client: Option<(&str, &str)>,
    n: u32,
) {
    let mut env: Vec<_> = way
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    env.extend(client);
    env.push(LOUD);
    let instance = world.start_with(&[], &env);
    world
        .publisher()
        .publish(&[donate(n, &format!("user-{n}"))]);
    follower.wait_ended(&[id(n)]);
    assert_hidden(instance);
}

/// Stops it; neither its log nor its metrics have a secret.
fn assert_hidden(instance: Instance) {
    let (_, metrics) = get(instance.admin, "/metrics");
    let (_, ready) = get(instance.admin, "/readyz");
    let log = instance.stop();
    // The control: this much is logged, down to the bytes of the connections.
    assert!(
        log.contains("\"level\":\"TRACE\"") && log.contains("hyper"),
        "too little is logged"
    );
    for written in [&log, &metrics, &ready] {
        for secret in [API_KEY, PASSWORD] {
            let line = written.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
}
