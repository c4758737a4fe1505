// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/flood.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpf/place.h"
#include "policy/probe.h"

#define ON_THE_WAY 150 /* of the paced port; queues hold 1,000 of all */
#define BATCH 16
#define JUDGED_SECONDS 30
#define OUR_MAC "02:00:00:00:00:01"
#define SOURCE_PORTS 24000 /* each sender's: old and new flows alike */

static int listener(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int bytes = 16 << 20;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
				    sizeof(bytes)),
			 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

void flood_open(struct flood *f)
{
	struct hook_state hook[ATTACH_HOOK_COUNT];
	struct datapath_settings s;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/flood", place_enter());
	harness_settings(&s);
	s.pin_dir = dir;
	s.trace = false;
	s.table_entries[MOAT_TABLE_UDP] = 262144;
	f->h = harness_open(&s);
	f->ifindex = place_veth("flood0", "flood1");
	place_run("ip link set flood0 address " OUR_MAC);
	f->peer = place_child();
	place_run("ip link set flood1 netns %d", (int)f->peer);
	place_run("ip addr add 10.0.0.1/24 dev flood0");
	place_run(
		"nsenter --net=/proc/%d/ns/net ip addr add 10.0.0.9/24 dev flood1",
		(int)f->peer);
	place_run("nsenter --net=/proc/%d/ns/net ip link set flood1 up",
		  (int)f->peer);
	/* What waits for an answer to ARP stands in a shorter queue. */
	place_run(
		"nsenter --net=/proc/%d/ns/net ip neigh replace 10.0.0.1 lladdr " OUR_MAC
		" dev flood1 nud permanent",
		(int)f->peer);
	harness_own(f->h, "10.0.0.1", NULL);
	harness_iface(f->h, f->ifindex, "10.0.0.1", NULL);
	assert_int_equal(attach_tc(f->h->dp, f->ifindex, hook), 0);
	for (unsigned i = 0; i < FLOOD_PORTS; i++)
		f->socket[i] = listener(FLOOD_FIRST + i);
}

unsigned long flood_sent(const struct flood *f, unsigned port)
{
	unsigned long n = 0;

	for (int i = 0; i < FLOOD_SENDERS; i++)
		n += f->sent[i][port];
	return n;
}

/* ---- sending ---- */

struct datagram {
	struct iphdr ip;
	struct udphdr udp;
	char payload[20];
};

static void fill(struct datagram *d, unsigned sport, unsigned port)
{
	*d = (struct datagram){
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = 17,
			.tot_len = htons(sizeof(*d)) },
		.udp = { .source = htons((uint16_t)sport),
			 .dest = htons((uint16_t)(FLOOD_FIRST + port)),
			 .len = htons(sizeof(*d) - sizeof(d->ip)) },
	};
	inet_pton(AF_INET, "10.0.0.9", &d->ip.saddr);
	inet_pton(AF_INET, "10.0.0.1", &d->ip.daddr);
}

static int raw_socket(pid_t peer)
{
	char path[64];
	int ns, fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)peer);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns >= 0 && !setns(ns, CLONE_NEWNET))
		fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (ns >= 0)
		close(ns);
	return fd;
}

static void send_batch(struct flood *f, int number, int fd, unsigned long *n)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct datagram d;

	inet_pton(AF_INET, "10.0.0.1", &to.sin_addr);
	for (int i = 0; i < BATCH; i++, ++*n) {
		unsigned port = *n % FLOOD_PORTS;

		fill(&d,
		     2048 + number * SOURCE_PORTS +
			     *n / FLOOD_PORTS % SOURCE_PORTS,
		     port);
		if (sendto(fd, &d, sizeof(d), 0, (struct sockaddr *)&to,
			   sizeof(to)) == (ssize_t)sizeof(d))
			f->sent[number][port]++;
	}
}

static void *sender(void *arg)
{
	typeof(((struct flood *)0)->who[0]) *who = arg;
	struct flood *f = who->flood;
	int fd = raw_socket(f->peer);
	unsigned long n = 0;

	if (fd < 0)
		abort();
	while (!f->stop) {
		if (flood_sent(f, f->paced) - f->received[f->paced] >
		    ON_THE_WAY)
			sched_yield();
		else
			send_batch(f, who->number, fd, &n);
	}
	close(fd);
	return NULL;
}

/* ---- receiving ---- */

static unsigned take(struct flood *f, unsigned port)
{
	char buf[128];
	unsigned n = 0;

	while (recv(f->socket[port], buf, sizeof(buf), 0) > 0) {
		f->received[port]++;
		n++;
	}
	return n;
}

static void *receiver(void *arg)
{
	struct pollfd fds[FLOOD_PORTS];
	struct flood *f = arg;

	for (unsigned i = 0; i < FLOOD_PORTS; i++)
		fds[i] = (struct pollfd){ .fd = f->socket[i],
					  .events = POLLIN };
	while (!f->drained || poll(fds, FLOOD_PORTS, 200) > 0) {
		if (poll(fds, FLOOD_PORTS, 100) <= 0)
			continue;
		for (unsigned i = 0; i < FLOOD_PORTS; i++)
			take(f, i);
	}
	return NULL;
}

void flood_start(struct flood *f, unsigned paced)
{
	f->stop = f->drained = false;
	f->paced = paced;
	for (unsigned i = 0; i < FLOOD_PORTS; i++) {
		f->received[i] = 0;
		for (int k = 0; k < FLOOD_SENDERS; k++)
			f->sent[k][i] = 0;
	}
	assert_int_equal(pthread_create(&f->receiver, NULL, receiver, f), 0);
	for (int i = 0; i < FLOOD_SENDERS; i++) {
		f->who[i].flood = f;
		f->who[i].number = i;
		assert_int_equal(pthread_create(&f->sender[i], NULL, sender,
						&f->who[i]),
				 0);
	}
}

static unsigned long missing(const struct flood *f)
{
	static const enum moat_reason reasons[] = { MOAT_REASON_SG_ALLOW,
						    MOAT_REASON_ESTABLISHED,
						    MOAT_REASON_SG_NO_MATCH,
						    MOAT_REASON_NACL_DENY };
	unsigned entry = datapath_iface_index(f->h->dp, f->ifindex);
	unsigned long n = 0;
	struct iface_stats s;

	assert_int_equal(stats_iface(f->h->dp, entry, &s), 0);
	for (unsigned i = 0; i < FLOOD_PORTS; i++)
		n += flood_sent(f, i);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		n -= s.direction[MOAT_INGRESS].count[reasons[i]].packets;
	return n;
}

static void say_counters(const struct flood *f)
{
	unsigned entry = datapath_iface_index(f->h->dp, f->ifindex);
	struct iface_stats s;
	struct moat_totals t;
	const __u64 *refused = t.refused[MOAT_TABLE_UDP];

	print_message("%lu packets are missing; ingress:", missing(f));
	assert_int_equal(stats_iface(f->h->dp, entry, &s), 0);
	for (unsigned r = 0; r < MOAT_REASON_COUNT; r++)
		if (s.direction[MOAT_INGRESS].count[r].packets)
			print_message(
				" %s %llu", reason_name(r),
				s.direction[MOAT_INGRESS].count[r].packets);
	assert_int_equal(stats_totals(f->h->dp, &t), 0);
	print_message(
		"; refused by udp: full %llu, busy %llu, no memory %llu, other %llu",
		refused[MOAT_REFUSAL_FULL], refused[MOAT_REFUSAL_BUSY],
		refused[MOAT_REFUSAL_NOMEM], refused[MOAT_REFUSAL_OTHER]);
	print_message("\n");
}

void flood_stop(struct flood *f)
{
	f->stop = true;
	for (int i = 0; i < FLOOD_SENDERS; i++)
		pthread_join(f->sender[i], NULL);
	/* A busy machine may leave them in a queue for a while. */
	for (int i = 0; i < JUDGED_SECONDS * 100 && missing(f); i++)
		usleep(10000);
	if (missing(f))
		say_counters(f);
	f->drained = true;
	pthread_join(f->receiver, NULL);
}

void flood_close(struct flood *f)
{
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/flood", place_enter());
	for (unsigned i = 0; i < FLOOD_PORTS; i++)
		close(f->socket[i]);
	/* It was forked with the lock of the pin directory open. */
	place_child_end(f->peer);
	harness_close(f->h);
	assert_int_equal(detach_all(dir), 0);
}
