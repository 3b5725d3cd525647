#!/usr/bin/env bash
# A real Apache Kafka for the tests: one node (KRaft), its jars from Maven Central. It needs Java 17 or later, and Maven.
#
#   addr=$(tests/services/kafka.sh start)    prints host:port once it takes requests; downloads what it needs, once
#   tests/services/kafka.sh stop             SIGTERM, and waits
#   tests/services/kafka.sh kill             SIGKILL; what it has stored stays, and `start` goes on with it
#   tests/services/kafka.sh freeze | thaw    SIGSTOP, SIGCONT
#   tests/services/kafka.sh forget           stops it, and removes what it has stored
#   tests/services/kafka.sh acl ARGUMENT…    Kafka's own kafka-acls
#   tests/services/kafka.sh fill | free      fills its disk, and makes room again: with ALMONER_KAFKA_DISK_MIB alone
#
# Listeners: the port itself takes everybody (who may do everything), port + 1 is the controller's, port + 2 takes the user
# `almoner` with the password `right-password` (SASL PLAIN; it may do what `acl` has granted), port + 3 speaks TLS, with the
# certificate in DATA/tls.pem; port + 4 is for a proxy, which listens on port + 5: it says of itself that it is there.
#
# Environment (defaults in brackets): ALMONER_CACHE [.cache] for the jars, ALMONER_KAFKA_DATA [.run/kafka],
#   ALMONER_KAFKA_PORT [19292], ALMONER_KAFKA_HEAP [384m], ALMONER_KAFKA_DISK_MIB: a disk of its own of that size, in memory
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
KAFKA=4.3.1        # 4.4.0 cannot be resolved: its pom names a jar that was not published
cache=${ALMONER_CACHE:-$repository/.cache}/kafka-$KAFKA
data=${ALMONER_KAFKA_DATA:-$repository/.run/kafka}
port=${ALMONER_KAFKA_PORT:-19292}
heap=${ALMONER_KAFKA_HEAP:-384m}
disk_mib=${ALMONER_KAFKA_DISK_MIB:-}
log=$data/server.log
start_within_s=60

install_it() {
    [ -e "$cache/.complete" ] && return
    for tool in java mvn; do
        command -v $tool >/dev/null || { echo "kafka: $tool is needed" >&2; exit 2; }
    done
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [ -e "$cache/.complete" ] && return
    echo "kafka: installing $KAFKA into $cache" >&2
    rm -rf "$cache/lib"
    # Of the tools' own dependencies the access lists need none.
    cat >"$cache/pom.xml" <<POM
<project><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA</version>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
    mvn -q -B -f "$cache/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$cache/lib" >&2
    touch "$cache/.complete"
    flock -u 9
}

# The process of that file, if it is still ours: a number may have gone to another process.
pid_of() {
    local pid
    pid=$(cat "$data/$1.pid" 2>/dev/null) || return 1
    # One that has ended has none.
    { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$data" && echo "$pid"
}

java_tool() { java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$cache/lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=error "$@"; }

configure() {
    cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listeners=PLAIN://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),SASL://127.0.0.1:$((port + 2)),TLS://127.0.0.1:$((port + 3)),PROXIED://127.0.0.1:$((port + 4))
advertised.listeners=PLAIN://127.0.0.1:$port,SASL://127.0.0.1:$((port + 2)),TLS://127.0.0.1:$((port + 3)),PROXIED://127.0.0.1:$((port + 5))
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,PROXIED:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_almoner="right-password";
listener.name.tls.ssl.keystore.location=$data/tls.p12
listener.name.tls.ssl.keystore.password=keystore
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=$data/logs
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.index.size.max.bytes=262144
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
    [ -e "$data/tls.p12" ] || {
        keytool -genkeypair -keystore "$data/tls.p12" -storetype PKCS12 -storepass keystore -alias kafka -keyalg EC \
            -dname CN=kafka -ext san=ip:127.0.0.1 -validity 30
        keytool -exportcert -rfc -keystore "$data/tls.p12" -storepass keystore -alias kafka -file "$data/tls.pem"
    } 2>"$data/keytool.log"
    local id
    id=$(head -c16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22)
    on_its_disk test -e "$data/logs/meta.properties" ||
        on_its_disk java -XX:TieredStopAtLevel=1 -cp "$cache/lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
            kafka.tools.StorageTool format -t "$id" -c "$data/server.properties" >"$data/format.log"
}

# A disk of its own is a file system in memory, in a name space that a process of ours keeps: nobody has to be root for that.
mount_disk() {
    mkdir -p "$data/logs"
    [ -n "$disk_mib" ] || return 0
    pid_of disk >/dev/null && return
    rm -f "$data/mounted"
    unshare --user --map-root-user --mount sh -c \
        "mount -t tmpfs -o size=${disk_mib}m tmpfs '$data/logs' && touch '$data/mounted' && exec tail -f '$data/mounted'" \
        </dev/null >"$data/disk.log" 2>&1 &
    echo $! >"$data/disk.pid"
    for _ in $(seq 50); do
        [ -e "$data/mounted" ] && return
        sleep 0.1
    done
    echo "kafka: no disk of its own is to be had: $(cat "$data/disk.log")" >&2
    exit 3
}

on_its_disk() {
    if [ -n "$disk_mib" ]; then
        nsenter --target "$(pid_of disk)" --user --mount --preserve-credentials "$@"
    else
        "$@"
    fi
}

start_it() {
    pid_of server >/dev/null && { echo "127.0.0.1:$port"; return; }
    mkdir -p "$data"
    install_it
    mount_disk
    configure
    : >"$log"
    # What it needs of the shell's output would keep whoever reads that waiting.
    (
        if [ -n "$disk_mib" ]; then
            set -- nsenter --target "$(pid_of disk)" --user --mount --preserve-credentials
        else
            set --
        fi
        exec "$@" java -Xmx"$heap" -Xms"$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
            -cp "$cache/lib/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
            -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info kafka.Kafka "$data/server.properties"
    ) </dev/null >>"$log" 2>&1 &
    echo $! >"$data/server.pid"
    for _ in $(seq $((start_within_s * 10))); do
        grep -q 'Kafka Server started' "$log" && { echo "127.0.0.1:$port"; return; }
        kill -0 "$(cat "$data/server.pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$log" >&2
    echo "kafka did not start; its log is $log" >&2
    exit 1
}

# end_it SIGNAL NAME
end_it() {
    local pid
    pid=$(pid_of "$2") || return 0
    kill -s "$1" "$pid"
    # One that nobody waits for stays behind as a zombie.
    while grep -qs '^State:[[:space:]]*[^Z]' "/proc/$pid/status"; do sleep 0.05; done
    rm -f "$data/$2.pid"
}

forget_it() {
    end_it TERM server
    end_it KILL disk
    rm -rf "$data"
}

case ${1:-} in
    start) start_it ;;
    stop) end_it TERM server ;;
    kill) end_it KILL server ;;
    freeze) kill -s STOP "$(pid_of server)" ;;
    thaw) kill -s CONT "$(pid_of server)" ;;
    forget) forget_it ;;
    acl) shift && java_tool org.apache.kafka.tools.AclCommand --bootstrap-server "127.0.0.1:$port" "$@" ;;
    fill) on_its_disk sh -c "cat /dev/zero >'$data/logs/ballast'" 2>/dev/null || true ;;
    free) on_its_disk rm -f "$data/logs/ballast" ;;
    *) sed -n '4,10p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
