package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"castcode/internal/portmux"
	"castcode/sfu/udp"
)

// ports are the sockets of a server: the one port number, and what else was asked for.
type ports struct {
	socket *udp.Socket  // UDP of the one port
	outer  *portmux.Mux // TCP of the one port
	inner  *portmux.Mux // inside its TLS; nil with --tls off

	turnSocket *udp.Socket  // UDP of --turn-addr, or nil
	turnPlain  *portmux.Mux // TCP of --turn-addr, or nil
	turnTLS    *portmux.Mux // inside the TLS of --turn-tls-addr, or nil
	web        *portmux.Mux // --http-addr, or nil
}

// listen opens the one port number, TCP and UDP, then the others. What is open when it fails is left to close.
func (s *server) listen() error {
	if err := s.onePort(); err != nil {
		return err
	}
	s.advertised = newAdvertised(s.ports.socket.LocalAddr(), s.cfg.PublicIPs)
	secure := s.source.TLS()
	if secure != nil {
		s.ports.inner = portmux.New(tls.NewListener(s.ports.outer.TLS(), secure), s.log.Logger)
	}
	for _, open := range []func(*tls.Config) error{s.listenTURN, s.listenTURNTLS, s.listenHTTP} {
		if err := open(secure); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) onePort() (err error) {
	s.ports.outer, s.ports.socket, err = s.both("addr", s.cfg.Addr)
	return err
}

// both opens addr over TCP and UDP with one port number. flag is where it was set.
func (s *server) both(flag, addr string) (*portmux.Mux, *udp.Socket, error) {
	for attempt := 0; ; attempt++ {
		l, err := listenTCP(flag, addr)
		if err != nil {
			return nil, nil, err
		}
		socket, err := udp.Listen(l.Addr().(*net.TCPAddr).AddrPort(), s.log.Logger)
		if err == nil {
			return portmux.New(l, s.log.Logger), socket, nil
		}
		_ = l.Close() // nobody has used it
		// With port 0 the kernel chose a number that is free for TCP and may be taken for UDP.
		if _, port, _ := net.SplitHostPort(addr); port != "0" || attempt == 10 {
			return nil, nil, fmt.Errorf("%w\n  hint: UDP: %s", err, listenHint(err, flag))
		}
	}
}

func listenTCP(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w\n  hint: %s", err, listenHint(err, flag))
	}
	return l, nil
}

// listenHint says what to do when a port cannot be had. flag is where it was set.
func listenHint(err error, flag string) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need a right: start by deploy/castcode.service, or once: sudo setcap cap_net_bind_service=+ep " +
			"the sfu binary; or choose a port above with --" + flag
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program has the port; ss -lntup shows which; choose another with --" + flag
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address; leave it out to listen on all, as in --" + flag + " :8443"
	}
	return "choose another address with --" + flag
}

// listenTURN opens --turn-addr. It is for TURN only: what else arrives there is dropped, since nobody accepts it.
func (s *server) listenTURN(*tls.Config) (err error) {
	if s.cfg.TURNAddr == "" {
		return nil
	}
	if s.ports.turnPlain, s.ports.turnSocket, err = s.both("turn-addr", s.cfg.TURNAddr); err != nil {
		return err
	}
	only(s.ports.turnPlain.TURN(), s.ports.turnPlain)
	return s.ports.turnSocket.Media().Close()
}

// listenTURNTLS opens --turn-tls-addr.
func (s *server) listenTURNTLS(secure *tls.Config) error {
	if s.cfg.TURNTLSAddr == "" {
		return nil
	}
	l, err := listenTCP("turn-tls-addr", s.cfg.TURNTLSAddr)
	if err != nil {
		return err
	}
	s.ports.turnTLS = portmux.New(tls.NewListener(l, secure), s.log.Logger)
	only(s.ports.turnTLS.TURN(), s.ports.turnTLS)
	return nil
}

// listenHTTP opens --http-addr.
func (s *server) listenHTTP(*tls.Config) error {
	if s.cfg.HTTPAddr == "" {
		return nil
	}
	l, err := listenTCP("http-addr", s.cfg.HTTPAddr)
	if err != nil {
		return err
	}
	s.ports.web = portmux.New(l, s.log.Logger)
	only(s.ports.web.HTTP(), s.ports.web)
	return nil
}

// only closes the ends of m that are not end: connections for them are closed at once.
func only(end net.Listener, m *portmux.Mux) {
	for _, l := range []net.Listener{m.TLS(), m.HTTP(), m.TURN(), m.ICE()} {
		if l != end {
			_ = l.Close() // it never fails
		}
	}
}

// mediaStreams is where peers connect over TCP.
func (p *ports) mediaStreams() net.Listener { return p.outer.ICE() }

// turnPackets and turnStreams are where the TURN server listens.
func (p *ports) turnPackets() []net.PacketConn {
	list := []net.PacketConn{p.socket.TURN()}
	if p.turnSocket != nil {
		list = append(list, p.turnSocket.TURN())
	}
	return list
}

func (p *ports) turnStreams() (list []net.Listener) {
	for _, m := range []*portmux.Mux{p.outer, p.inner, p.turnPlain, p.turnTLS} {
		if m != nil {
			list = append(list, m.TURN())
		}
	}
	return list
}

// port is the one port number.
func (p *ports) port() string { return strconv.Itoa(p.socket.LocalAddr().Port) }

// turnEnds gives the ends of the URLs of the built-in TURN server, to be put after a host: the one port over UDP, TCP
// and TLS, then the extra ones in the same order. A browser asks all of them for a relay, from each of its interfaces,
// and may so be refused some (turn.Config.MaxPerUser); what a network blocks does not count.
func (p *ports) turnEnds() []turnEnd {
	list := []turnEnd{{"turn", p.port(), "udp"}, {"turn", p.port(), "tcp"}}
	if p.inner != nil {
		list = append(list, turnEnd{"turns", p.port(), "tcp"})
	}
	if p.turnSocket != nil {
		extra := strconv.Itoa(p.turnSocket.LocalAddr().Port)
		list = append(list, turnEnd{"turn", extra, "udp"}, turnEnd{"turn", extra, "tcp"})
	}
	if p.turnTLS != nil {
		list = append(list, turnEnd{"turns", portOf(p.turnTLS), "tcp"})
	}
	return list
}

func portOf(m *portmux.Mux) string { return strconv.Itoa(m.TURN().Addr().(*net.TCPAddr).Port) }

// turnEnd is a TURN URI (RFC 7065) without its host.
type turnEnd struct{ scheme, port, transport string }

func (u turnEnd) at(host string) string {
	return u.scheme + ":" + net.JoinHostPort(host, u.port) + "?transport=" + u.transport
}

// turnText names the transports of the built-in TURN server, for the banner.
func (p *ports) turnText() string {
	text := "UDP and TCP"
	if p.inner != nil {
		text = "UDP, TCP and TLS"
	}
	if p.turnSocket != nil {
		text += fmt.Sprintf("; on %d, UDP and TCP", p.turnSocket.LocalAddr().Port)
	}
	if p.turnTLS != nil {
		text += "; on " + portOf(p.turnTLS) + ", TLS"
	}
	return text
}

// tcpDrops adds up why connections were closed before it was known what they want.
func (p *ports) tcpDrops() map[string]uint64 {
	sum := map[string]uint64{}
	for _, m := range []*portmux.Mux{p.outer, p.inner, p.turnPlain, p.turnTLS, p.web} {
		if m == nil {
			continue
		}
		for reason, n := range m.Counts().Dropped {
			sum[reason] += n
		}
	}
	return sum
}

// udpCounts adds up what the UDP sockets did.
func (p *ports) udpCounts() udp.Counts {
	sum := p.socket.Counts()
	if p.turnSocket == nil {
		return sum
	}
	extra := p.turnSocket.Counts()
	sum.Received += extra.Received
	sum.ReceivedBytes += extra.ReceivedBytes
	sum.Sent += extra.Sent
	sum.SentBytes += extra.SentBytes
	sum.GSODatagrams += extra.GSODatagrams
	sum.SendErrors += extra.SendErrors
	for reason, n := range extra.Dropped {
		sum.Dropped[reason] += n
	}
	return sum
}

// close closes what is open. Accepted connections belong to others, who closed them before.
func (p *ports) close() {
	for _, m := range []*portmux.Mux{p.inner, p.outer, p.turnPlain, p.turnTLS, p.web} {
		if m != nil {
			_ = m.Close() // its ends may be closed already
		}
	}
	for _, socket := range []*udp.Socket{p.socket, p.turnSocket} {
		if socket != nil {
			_ = socket.Close() // nothing is left to be read from it
		}
	}
}
