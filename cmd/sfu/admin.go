package main

import (
	"crypto/subtle"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"castcode/internal/metrics"
)

// admin is what the admin address serves: health, metrics, profiles. With a token it asks for it as a bearer.
func (s *server) admin() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", s.site.health)
	m.Handle("GET /metrics", metrics.Handler(s.samples))
	(&displayDoor{hub: s.hub, guarded: s.cfg.AdminToken.Reveal() != ""}).routes(m)
	m.HandleFunc("GET /debug/pprof/", pprof.Index)
	m.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	m.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.adminRooms(m)
	want := s.cfg.AdminToken.Reveal()
	if want == "" {
		return m
	}
	failures := &guesses{by: map[string]*rate.Limiter{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failures.blocked(r.RemoteAddr, time.Now()) {
			w.Header().Set("Retry-After", "60")
			http.Error(w, "too many wrong tokens", http.StatusTooManyRequests)
			return
		}
		got, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			failures.add(r.RemoteAddr, time.Now())
			s.log.Warn("admin: wrong token", "from", r.RemoteAddr)
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		m.ServeHTTP(w, r)
	})
}

// samples reads the counters of every part.
func (s *server) samples() []metrics.Sample {
	var list []metrics.Sample
	gauge := func(name, text string, n int) {
		list = append(list, metrics.Sample{Name: name, Text: text, Count: float64(n)})
	}
	total := func(name, text string, n uint64) {
		list = append(list, metrics.Sample{Name: name, Text: text, Count: float64(n), Total: true})
	}
	reasons := func(name, text, label string, by map[string]uint64) {
		for _, reason := range slices.Sorted(maps.Keys(by)) {
			list = append(list, metrics.Sample{
				Name: name, Text: text, Label: label, Value: reason, Count: float64(by[reason]), Total: true,
			})
		}
	}
	media := s.engine.Snapshot()
	gauge("casts", "casts that somebody is in", media.Casts)
	gauge("casts_live", "casts with a caster", media.Live)
	gauge("media_viewers", "viewers and displays with a media connection", media.Viewers)
	total("connection_faults_total", "connections dropped after a fault of the server", media.Faults)
	reasons("media_drops_total", "packets not forwarded to a viewer", "reason", media.Drops)
	reasons("transport_drops_total", "datagrams of viewers and packets to them that the transport refused", "reason", media.Wire)

	plain := 0
	if s.cfg.HTTPDisplays {
		plain = 1
	}
	gauge("http_displays", "1 when displays and viewers are served over plain HTTP: their codes travel in clear", plain)

	people := s.hub.Counts()
	gauge("sockets", "signaling sockets", people.Sockets)
	gauge("sessions", "sessions, with or without a socket", people.Sessions)
	gauge("displays", "displays, bound or not", people.Displays)
	gauge("displays_kept", "displays that are remembered, here or not", people.Kept)
	gauge("groups", "groups of displays", people.Groups)
	gauge("rooms", "rooms", people.Rooms)
	gauge("viewers", "sessions that are viewers", people.Viewers)
	gauge("waiting", "people in the lobby of a room", people.Waiting)
	for _, kind := range slices.Sorted(maps.Keys(people.Attacked)) {
		on := map[bool]float64{true: 1}[people.Attacked[kind]]
		list = append(list, metrics.Sample{Name: "attack_mode", Text: "1 while codes are being guessed", Label: "codes", Value: kind, Count: on})
	}
	gauge("players", "viewers over WHEP", people.Players)
	gauge("encoders", "casters over WHIP", people.Encoders)
	gauge("probes", "connections of network tests (/doctor)", people.Probes)
	gauge("event_streams", "event streams of players", people.Streams)
	total("code_failures_total", "wrong codes and PINs", people.Failures)
	reasons("attacks_total", "times that attack mode began", "codes", people.Attacks)
	reasons("socket_drops_total", "signaling sockets that were closed or refused", "reason", people.Drops)
	reasons("guests_gone_total", "sessions over WHIP and WHEP that ended", "reason", people.Gone)
	reasons("join_tokens_refused_total", "join tokens that were refused", "reason", people.Tokens)
	reasons("refusals_total", "errors sent to clients", "code", people.Refusals)

	if s.hook != nil {
		said := s.hook.Counts()
		gauge("webhook_queued", "events that wait to be posted", said.Queued)
		total("webhook_delivered_total", "events that were posted", said.Delivered)
		total("webhook_failures_total", "attempts to post an event that failed", said.Failed)
		reasons("webhook_drops_total", "events that were never posted", "reason", said.Dropped)
	}
	disk := s.kept.Status()
	failing := 0
	if disk.Failing != nil {
		failing = 1
	}
	gauge("store_failing", "1 while the disk does not take what changes", failing)
	gauge("store_pending", "changes that are not on the disk yet", disk.Pending)
	total("store_writes_total", "transactions that are on the disk", disk.Writes)
	total("store_failures_total", "transactions that failed", disk.Failures)
	total("store_refused_total", "changes that are not kept, because too many waited or they were too large", disk.Refused)

	wire := s.ports.udpCounts()
	total("udp_received_total", "datagrams received", wire.Received)
	total("udp_received_bytes_total", "bytes received", wire.ReceivedBytes)
	total("udp_sent_total", "datagrams sent", wire.Sent)
	total("udp_sent_bytes_total", "bytes sent", wire.SentBytes)
	total("udp_gso_total", "datagrams sent in runs (UDP GSO)", wire.GSODatagrams)
	total("udp_send_errors_total", "datagrams that the kernel refused", wire.SendErrors)
	total("casters_flooding_total", "casters that sent media of too many sources, and were closed", wire.GivenUp)
	reasons("udp_drops_total", "datagrams dropped before any library saw them", "reason", wire.Dropped)

	streams := media.Streams
	gauge("ice_tcp_streams", "media connections over TCP (ICE-TCP)", streams.Streams)
	gauge("ice_tcp_waiting", "those among them without an answered check", streams.Waiting)
	total("ice_tcp_received_bytes_total", "bytes of datagrams received over TCP", streams.ReceivedBytes)
	total("ice_tcp_sent_bytes_total", "bytes of datagrams sent over TCP", streams.SentBytes)
	total("ice_tcp_full_total", "times that a viewer's media waited for its TCP connection", streams.Full)
	reasons("ice_tcp_drops_total", "media connections over TCP closed, and datagrams that found no place (queue)", "reason", streams.Dropped)

	reasons("tcp_drops_total", "connections closed before it was known what they want", "reason", s.ports.tcpDrops())
	if s.turn != nil {
		relays := s.turn.Counts()
		gauge("turn_relays", "TURN relays that are open", relays.Relays)
		gauge("turn_streams", "TURN connections over TCP", relays.Streams)
		total("turn_to_media_bytes_total", "bytes relayed toward media", relays.ToMediaBytes)
		total("turn_from_media_bytes_total", "bytes relayed from media", relays.FromMediaBytes)
		reasons("turn_drops_total", "TURN messages and datagrams refused", "reason", relays.Dropped)
	}
	return list
}
