//! `/readyz` of a service that nobody asks for anything, and `almoner health`, which asks for it.

use std::net::SocketAddr;

use crate::support::{ANYWHERE, Surroundings, gateway, wait_for};

/// The exit code of `almoner health`, and all that it prints.
fn health(surroundings: &Surroundings, admin: SocketAddr, more: &[&str]) -> (i32, String) {
    let args: Vec<_> = ["health"].iter().chain(more).copied().collect();
    let mut command = surroundings.command(&args);
    let output = command.env("ALMONER__ADMIN__LISTEN", admin.to_string());
    let output = output.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[test]
fn an_idle_instance_gets_ready() {
    let (surroundings, gateway) = (Surroundings::new(), gateway(ANYWHERE));
    let instance = surroundings.run(gateway.addr(), &[]);
    wait_for("ready", || instance.ready().0);
    assert_eq!(instance.ready().1, "The gateway has accepted our key.");
    assert!(instance.lines("not ready").is_empty());
    assert!(gateway.intents().is_empty(), "asking moved something");

    let everywhere = SocketAddr::from(([0, 0, 0, 0], instance.admin().port()));
    for admin in [instance.admin(), everywhere] {
        assert_eq!(health(&surroundings, admin, &[]), (0, "ok\n".to_owned()));
    }
    let (code, said) = health(&surroundings, gateway.addr(), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("is not this service"), "{said}");
    let admin = instance.admin();
    drop(instance);
    let (code, said) = health(&surroundings, admin, &[]);
    assert_eq!(code, 69);
    assert!(said.contains("nobody answers at"), "{said}");
}

#[test]
fn a_key_that_the_gateway_refuses_is_said_and_never_ready() {
    let (surroundings, gateway) = (Surroundings::new(), gateway(ANYWHERE));
    let wrong = [("ALMONER__GATEWAY__API_KEY", "sk_test_wrong")];
    let mut instance = surroundings.run(gateway.addr(), &wrong);
    let said = instance.await_line("the gateway refuses the API key");
    assert_eq!(said["level"], "ERROR");
    // All else is well, and a second probe says nothing new.
    wait_for("all but the key", || {
        instance.get("/readyz").1.matches("\"ok\":true").count() == 3
    });
    let asked = || -> u64 {
        gateway
            .stats()
            .requests
            .iter()
            .map(|(_, count)| count)
            .sum()
    };
    wait_for("a second probe", || asked() >= 2);
    let (is_ready, why) = instance.ready();
    assert!(!is_ready && why.contains("gateway.api_key"), "{why}");
    let (code, said) = health(&surroundings, instance.admin(), &[]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with(&format!("error: gateway_key_accepted: {why}")),
        "{said}"
    );
    let (code, said) = health(&surroundings, instance.admin(), &["--live"]);
    assert_eq!((code, &*said), (0, "ok\n"));
    assert_eq!(instance.lines("not ready yet").len(), 1);
    assert!(asked() < 10, "a storm of probes: {}", asked());
}

#[test]
fn a_gateway_that_comes_later_makes_it_ready() {
    let surroundings = Surroundings::new();
    let early = gateway(ANYWHERE);
    let addr = early.addr();
    drop(early);
    let mut instance = surroundings.run(addr, &[]);
    instance.await_line("the gateway cannot be reached");
    let (is_ready, why) = instance.ready();
    assert!(!is_ready && why.contains("cannot be reached"), "{why}");
    let _late = gateway(addr);
    wait_for("ready", || instance.ready().0);
    assert_eq!(instance.lines("the gateway has accepted our key").len(), 1);
}
