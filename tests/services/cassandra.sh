#!/usr/bin/env bash
# A real Apache Cassandra of one node, from the jars of Maven Central, for the tests of the store on CQL.
#
#   addr=$(tests/services/cassandra.sh start [NAME])   prints host:port once it serves; the jars go into $ALMONER_CACHE
#   tests/services/cassandra.sh stop [NAME]            SIGTERM, and waits
#   tests/services/cassandra.sh kill [NAME]            SIGKILL; what it has stored stays, and `start` goes on with it
#   tests/services/cassandra.sh forget [NAME]          stops it, and removes what it has stored
#
# NAME [main] tells servers of one machine apart. Needs Java 17 and Maven. Environment, defaults in brackets:
#   ALMONER_CASSANDRA_SYNC  batch|periodic [batch]: whether an acknowledged write is in the commit log's file (batch), or
#                           will be within ten seconds (periodic)
#   ALMONER_CASSANDRA_AUTH  1: asks for credentials; cassandra/cassandra are good [empty: asks nobody]
#   ALMONER_CASSANDRA_PORT  [a free one]     ALMONER_CASSANDRA_HEAP [768m]
#   ALMONER_CASSANDRA_DATA  where a server's data and log are [.run/cassandra-NAME]
set -euo pipefail

VERSION=5.0.9
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
jars=${ALMONER_CACHE:-$repository/.cache}/cassandra-$VERSION
data=${ALMONER_CASSANDRA_DATA:-$repository/.run/cassandra-${2:-main}}
log=$data/server.log

pid() { cat "$data/pid" 2>/dev/null || true; }
# Only if it is still ours: a number may have gone to another process.
alive() { [ -n "$(pid)" ] && grep -qsa "$data/conf/cassandra.yaml" "/proc/$(pid)/cmdline"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
say() { echo "cassandra: $*" >&2; }

prepare() {
    [ -e "$jars/.complete" ] && return
    for tool in java mvn python3; do
        command -v "$tool" >/dev/null || { say "$tool is needed"; exit 2; }
    done
    mkdir -p "$jars"
    (
        flock 9
        [ -e "$jars/.complete" ] && exit
        say "fetching version $VERSION into $jars"
        rm -rf "$jars/lib"
        cat >"$jars/pom.xml" <<X
<project><modelVersion>4.0.0</modelVersion>
<groupId>almoner</groupId><artifactId>cassandra-jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId>
<version>$VERSION</version></dependency></dependencies></project>
X
        mvn -q -B -f "$jars/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$jars/lib" >&2
        touch "$jars/.complete"
    ) 9>"$jars/.lock"
}

configure() {
    local sync=${ALMONER_CASSANDRA_SYNC:-batch} auth=AllowAllAuthenticator
    [ -n "${ALMONER_CASSANDRA_AUTH:-}" ] && auth=PasswordAuthenticator
    mkdir -p "$data/conf"
    # A server that comes back has the ports that it had.
    [ -e "$data/ports" ] || echo "${ALMONER_CASSANDRA_PORT:-$(free_port)} $(free_port)" >"$data/ports"
    read -r port storage <"$data/ports"
    cat >"$data/conf/logback.xml" <<X
<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>
<pattern>%-5level %date{ISO8601} %logger{0} - %msg%n</pattern></encoder></appender>
<logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
<root level="WARN"><appender-ref ref="out"/></root></configuration>
X
    cat >"$data/conf/cassandra.yaml" <<X
cluster_name: almoner-tests
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: "127.0.0.1:$storage"}]}]
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: $storage
native_transport_port: $port
authenticator: $auth
commitlog_sync: $sync
commitlog_segment_size: 16MiB
paxos_variant: v2
auto_snapshot: false
read_request_timeout: 30s
range_request_timeout: 30s
write_request_timeout: 30s
cas_contention_timeout: 30s
truncate_request_timeout: 60s
request_timeout: 30s
X
    [ "$sync" != periodic ] || echo "commitlog_sync_period: 10000ms" >>"$data/conf/cassandra.yaml"
}

serve() {
    local open=() it   # as in Cassandra's own jvm17-server.options
    for it in java.base/{java.lang,java.lang.reflect,java.lang.module,java.io,java.util,sun.nio.ch,jdk.internal.loader} \
        java.base/{jdk.internal.ref,jdk.internal.reflect,jdk.internal.math,jdk.internal.module,jdk.internal.util.jar} \
        jdk.management/com.sun.management.internal; do
        open+=(--add-opens "$it=ALL-UNNAMED")
    done
    for it in java.base/{jdk.internal.misc,java.lang.ref} java.management.rmi/com.sun.jmx.remote.internal.rmi \
        java.rmi/sun.rmi.{registry,server} java.sql/java.sql jdk.unsupported/sun.misc jdk.attach/sun.tools.attach; do
        open+=(--add-exports "$it=ALL-UNNAMED")
    done
    # Compiled lightly, a server that lives for minutes is faster. In the foreground, or it closes its output before it
    # says that it is ready.
    exec java "${open[@]}" -Xmx"${ALMONER_CASSANDRA_HEAP:-768m}" -Xms"${ALMONER_CASSANDRA_HEAP:-768m}" -Xss256k -XX:+UseG1GC \
        -XX:MaxDirectMemorySize=256m -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 \
        -Djava.net.preferIPv4Stack=true -Djdk.attach.allowAttachSelf=true -Dio.netty.tryReflectionSetAccessible=true \
        -Dcassandra-foreground=yes -Dcassandra.config="file://$data/conf/cassandra.yaml" \
        -Dcassandra.storagedir="$data" -Dcassandra.ring_delay_ms=0 -Dcassandra.skip_wait_for_gossip_to_settle=0 \
        -Dcassandra.superuser_setup_delay_ms=0 -Dlogback.configurationFile="$data/conf/logback.xml" \
        -javaagent:"$(echo "$jars"/lib/jamm-*.jar)" -cp "$jars/lib/*" org.apache.cassandra.service.CassandraDaemon
}

start() {
    prepare
    configure
    if ! alive; then
        : >"$log"
        (serve) </dev/null >>"$log" 2>&1 &
        echo $! >"$data/pid"
        for _ in $(seq 1800); do
            grep -q 'Startup complete' "$log" && break
            kill -0 "$(pid)" 2>/dev/null || { tail -20 "$log" >&2; say "it ended by itself; its log is $log"; exit 1; }
            sleep 0.1
        done
        grep -q 'Startup complete' "$log" || { say "it did not start; its log is $log"; exit 1; }
    fi
    echo "127.0.0.1:$port"
}

end() {
    if alive; then
        kill "-$1" "$(pid)"
        while alive; do sleep 0.05; done
    fi
    rm -f "$data/pid"
}

case ${1:-} in
    start) start ;;
    kill) end KILL ;;
    stop) end TERM ;;
    forget) end TERM; rm -rf "$data" ;;
    *) echo "usage: $0 start|stop|kill|forget [NAME]" >&2; exit 2 ;;
esac
