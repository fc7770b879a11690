package doctor

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/logging"
	pionturn "github.com/pion/turn/v2"
)

// media tries all ways to the media side at once.
func (v *visit) media(ctx context.Context) []Finding {
	h, err := v.probe(ctx, offer())
	var to offered
	if err == nil {
		to, err = readAnswer(h.Answer)
	}
	if err != nil {
		var list []Finding
		for _, check := range mediaChecks {
			list = append(list, found(check, Absent, say("no_probe", "reason", text(err))))
		}
		return list
	}
	ctx, cancel := context.WithTimeout(ctx, pathTime)
	defer cancel()
	list := make([]Finding, len(mediaChecks))
	var running sync.WaitGroup
	for i, try := range []func() Finding{
		func() Finding { return v.udp(ctx, to) },
		func() Finding { return v.tcp(ctx, h, to) },
		func() Finding { return v.iceTCP(ctx, to) },
		func() Finding { return v.turn(ctx, "turn-udp", "turn:", "udp", h, to) },
		func() Finding { return v.turn(ctx, "turn-tcp", "turn:", "tcp", h, to) },
		func() Finding { return v.turn(ctx, "turn-tls", "turns:", "tcp", h, to) },
	} {
		running.Go(func() { list[i] = try() })
	}
	running.Wait()
	return list
}

// try is how one place was reached, or not.
type try struct {
	at     end
	mapped string
	took   time.Duration
	err    error
}

// first tries all ends at once and returns the first that was reached; without any, the one that says most.
func first(ctx context.Context, ends []end, reach func(context.Context, end) try) try {
	ctx, cancel := context.WithCancel(ctx)
	tries := make(chan try, len(ends))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for _, at := range ends {
		running.Go(func() { tries <- reach(ctx, at) })
	}
	var worst try
	for range ends {
		t := <-tries
		if t.err == nil {
			return t
		}
		if worst.err == nil || isTimeout(worst.err) {
			worst = t
		}
	}
	return worst
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout()
}

// distrusted says whether err is about a certificate.
func distrusted(err error) bool {
	var bad *tls.CertificateVerificationError
	return errors.As(err, &bad)
}

// judged makes a finding of a try at ends.
func (t try) judged(check, protocol string, ends []end) Finding {
	switch {
	case t.err == nil:
		return trip(check, t.at.String(), t.mapped, t.took)
	case distrusted(t.err):
		f := shut(check, protocol, ends, text(t.err))
		f.Said = f.Said[:1] // the way is open
		return f
	case isTimeout(t.err):
		return shut(check, protocol, ends, "")
	default:
		return shut(check, protocol, ends, text(t.err))
	}
}

// udp sends connectivity checks to the media port.
func (v *visit) udp(ctx context.Context, to offered) Finding {
	if len(to.udp) == 0 {
		return found("udp", Absent, say("not_offered"))
	}
	return first(ctx, to.udp, func(ctx context.Context, at end) try {
		conn, err := new(net.Dialer).DialContext(ctx, "udp", at.String())
		if err != nil {
			return try{at: at, err: err}
		}
		defer conn.Close() //nolint:errcheck // nothing is left in it
		return check(ctx, at, to, conn, conn.Write)
	}).judged("udp", "udp", to.udp)
}

// check sends a connectivity check again and again until its answer is there. A port that nobody has open is told by
// ICMP as an error of reading, which may come from a network that changes: it goes on until the time is over.
func check(ctx context.Context, at end, to offered, conn net.Conn, send func([]byte) (int, error)) try {
	deadline, _ := ctx.Deadline()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // the next read fails
	defer stop()
	m, err := to.ask()
	if err != nil {
		return try{at: at, err: err}
	}
	buffer := make([]byte, 1500)
	var refused error
	for wait := 250 * time.Millisecond; ctx.Err() == nil; wait *= 2 { // RFC 8489 section 6.2.1
		begun := time.Now()
		if _, err := send(m.Raw); err != nil {
			refused = err
		}
		until := begun.Add(wait)
		if until.After(deadline) {
			until = deadline
		}
		for time.Now().Before(until) && ctx.Err() == nil {
			if err := conn.SetReadDeadline(until); err != nil {
				return try{at: at, err: err}
			}
			n, err := conn.Read(buffer)
			if err != nil {
				if !isTimeout(err) {
					refused = err
					pause(ctx, 50*time.Millisecond)
				}
				continue
			}
			if mapped, ok := to.hear(buffer[:n], m); ok {
				return try{at, mapped, time.Since(begun), nil}
			}
		}
	}
	if refused == nil {
		refused = context.DeadlineExceeded
	}
	return try{at: at, err: refused}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// tcp connects to the media port. Where the server offers no media over TCP, its TURN over TCP is meant, which is at
// the same port.
func (v *visit) tcp(ctx context.Context, h *handed, to offered) Finding {
	ends := to.tcp
	if len(ends) == 0 {
		for _, r := range h.relays("turn:", "tcp") {
			ends = appendNew(ends, r.end)
		}
	}
	if len(ends) == 0 {
		return found("tcp", Absent, say("not_offered"))
	}
	return first(ctx, ends, func(ctx context.Context, at end) try {
		begun := time.Now()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
		if err != nil {
			return try{at: at, err: err}
		}
		_ = conn.Close() // nothing was sent
		return try{at: at, took: time.Since(begun)}
	}).judged("tcp", "tcp", ends)
}

// iceTCP sends a connectivity check over TCP, in the framing of RFC 4571.
func (v *visit) iceTCP(ctx context.Context, to offered) Finding {
	if len(to.tcp) == 0 {
		return found("ice-tcp", Absent, say("not_offered"))
	}
	return first(ctx, to.tcp, func(ctx context.Context, at end) try {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
		if err != nil {
			return try{at: at, err: err}
		}
		defer conn.Close() //nolint:errcheck // nothing is left in it
		return overTCP(ctx, at, to, conn)
	}).judged("ice-tcp", "tcp", to.tcp)
}

func overTCP(ctx context.Context, at end, to offered, conn net.Conn) try {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // the next read fails
	defer stop()
	m, err := to.ask()
	if err != nil {
		return try{at: at, err: err}
	}
	begun := time.Now()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m.Raw))), m.Raw...)); err != nil {
		return try{at: at, err: err}
	}
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			return try{at: at, err: err}
		}
		frame := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return try{at: at, err: err}
		}
		if mapped, ok := to.hear(frame, m); ok {
			return try{at, mapped, time.Since(begun), nil}
		}
	}
}

// relay is a TURN server that was handed out.
type relay struct {
	end
	user, password string
}

// relays are those of one kind: scheme "turn:" or "turns:", transport "udp" or "tcp" (RFC 7065).
func (h *handed) relays(scheme, transport string) (list []relay) {
	for _, s := range h.ICE.Servers {
		for _, url := range s.URLs {
			rest, ok := strings.CutPrefix(url, scheme)
			if !ok {
				continue
			}
			at, query, _ := strings.Cut(rest, "?")
			kind := strings.TrimPrefix(query, "transport=")
			if kind == "" {
				kind = map[string]string{"turn:": "udp", "turns:": "tcp"}[scheme]
			}
			host, port, err := net.SplitHostPort(at)
			if err != nil { // RFC 7065 section 3.1: without a port
				host, port = strings.Trim(at, "[]"), map[string]string{"turn:": "3478", "turns:": "5349"}[scheme]
			}
			if kind == transport && len(list) < maxCandidates {
				list = append(list, relay{end{host, port}, s.Username, s.Credential})
			}
		}
	}
	return list
}

// turn opens a relay and sends a connectivity check through it to our media.
func (v *visit) turn(ctx context.Context, check, scheme, transport string, h *handed, to offered) Finding {
	relays := h.relays(scheme, transport)
	if len(relays) == 0 {
		return found(check, Absent, say("not_offered"))
	}
	if _, err := target(to); err != nil {
		return found(check, Absent, say("relay_four"))
	}
	var ends []end
	by := map[end]relay{}
	for _, r := range relays {
		ends, by[r.end] = appendNew(ends, r.end), r
	}
	protocol := transport
	if scheme == "turns:" {
		protocol = "tls"
	}
	return first(ctx, ends, func(ctx context.Context, at end) try {
		conn, err := v.dialTURN(ctx, protocol, at)
		if err != nil {
			return try{at: at, err: err}
		}
		return through(ctx, conn, by[at], to)
	}).judged(check, protocol, ends)
}

func (v *visit) dialTURN(ctx context.Context, protocol string, at end) (*packets, error) {
	if protocol == "udp" {
		conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
		return &packets{PacketConn: conn}, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil || protocol == "tcp" {
		return &packets{stream: conn}, err
	}
	c := v.config()
	c.ServerName = at.host
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return &packets{stream: secure}, nil
}

// through sends a check through a relay on conn, which it closes.
func through(ctx context.Context, conn *packets, r relay, to offered) try {
	defer conn.Close()                                          //nolint:errcheck // nothing is left in it
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what waits for it fails
	defer stop()
	fail := func(err error) try {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return try{at: r.end, err: err}
	}
	client, err := pionturn.NewClient(&pionturn.ClientConfig{
		STUNServerAddr: r.String(), TURNServerAddr: r.String(), Username: r.user, Password: r.password, Conn: conn,
		LoggerFactory: quiet{},
	})
	if err != nil {
		return fail(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		return fail(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		return fail(err)
	}
	defer relayed.Close() //nolint:errcheck // the relay goes with the connection
	return relayedCheck(ctx, relayed, r, to, fail)
}

func relayedCheck(ctx context.Context, relayed net.PacketConn, r relay, to offered, fail func(error) try) try {
	stop := context.AfterFunc(ctx, func() { _ = relayed.SetReadDeadline(time.Unix(1, 0)) }) // the next read fails
	defer stop()
	target, err := target(to)
	if err != nil {
		return fail(err)
	}
	m, err := to.ask()
	if err != nil {
		return fail(err)
	}
	buffer := make([]byte, 1500)
	for wait := 500 * time.Millisecond; ctx.Err() == nil; wait *= 2 {
		begun := time.Now()
		if _, err := relayed.WriteTo(m.Raw, target); err != nil {
			return fail(err)
		}
		for until := begun.Add(wait); time.Now().Before(until) && ctx.Err() == nil; {
			if err := relayed.SetReadDeadline(until); err != nil {
				return fail(err)
			}
			n, _, err := relayed.ReadFrom(buffer)
			if err == nil {
				if _, ok := to.hear(buffer[:n], m); ok { // what media sees is the relay
					return try{at: r.end, took: time.Since(begun)}
				}
			} else if !isTimeout(err) {
				return fail(err)
			}
		}
	}
	return try{at: r.end, err: errors.New("the relay is open, but media does not answer through it")}
}

// target is the media address for relays, which carry IPv4 only.
func target(to offered) (net.Addr, error) {
	for _, at := range to.udp {
		if ip := net.ParseIP(at.host); ip != nil && ip.To4() != nil {
			return net.ResolveUDPAddr("udp4", at.String())
		}
	}
	return nil, errors.New("the server offers no IPv4 address, and relays reach no other")
}

// quiet is a logger for the library, whose errors are returned as well.
type quiet struct{}

// NewLogger implements logging.LoggerFactory.
func (quiet) NewLogger(string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope("", logging.LogLevelDisabled, io.Discard)
}
