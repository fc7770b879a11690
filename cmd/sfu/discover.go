package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// discoverWithin is how long one round of questions takes at most, and so how long a start waits for the first.
	discoverWithin = 3 * time.Second
	// discoverAgain keeps the mapping alive: RFC 4787 REQ-5 allows NATs to forget it after 2 minutes, some do after 30 s.
	discoverAgain = 25 * time.Second
	// discoverFaults rounds in a row without any answer mean that what was found is good no more.
	discoverFaults = 3
)

// discovery asks STUN servers which addresses the media socket has as seen from outside (RFC 8489), again and again.
type discovery struct {
	// fixed
	servers []string // host:port
	port    uint16   // of the socket
	binding func(context.Context, netip.AddrPort) (netip.AddrPort, error)
	lookup  func(context.Context, string) ([]netip.Addr, error)
	usable  func(netip.Addr) bool // this machine can send there
	changed func()                // what was found is another now
	log     *slog.Logger

	found atomic.Pointer[[]netip.AddrPort]

	// owned by whoever runs the rounds
	silent    int  // rounds without an answer
	symmetric bool // the newest answers differed
}

// mapping is what one server told.
type mapping struct {
	server string
	mapped netip.AddrPort
	err    error
}

// addresses are those that were found, the first one told first. The caller must not change the slice.
func (d *discovery) addresses() []netip.AddrPort {
	if d == nil {
		return nil
	}
	if found := d.found.Load(); found != nil {
		return *found
	}
	return nil
}

// run asks until ctx ends. The first round was the start's.
func (d *discovery) run(ctx context.Context) {
	ticker := time.NewTicker(discoverAgain)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			d.round(ctx)
		}
	}
}

// round asks every server once, all at the same time, and takes over what they tell. What was found stays while no
// server answers, for a while.
func (d *discovery) round(ctx context.Context) {
	all := d.ask(ctx)
	if ctx.Err() != nil {
		return // leaving
	}
	found, symmetric := agree(all, d.port)
	if len(found) == 0 {
		if d.silent++; d.silent == 1 {
			for _, m := range all {
				d.log.Warn("a STUN server does not tell our public address", "server", m.server, "err", m.err)
			}
		}
		if d.silent < discoverFaults {
			return
		}
	} else {
		d.silent = 0
	}
	if symmetric && !d.symmetric {
		d.log.Warn("the NAT gives this server another address for each destination, so peers cannot use what STUN servers see; "+
			"forward the port, and set --public-ip", "mappings", found)
	}
	d.symmetric = symmetric
	if slices.Equal(found, d.addresses()) {
		return
	}
	d.found.Store(&found)
	d.log.Info("public addresses by STUN", "addresses", found)
	d.changed()
}

// ask collects an answer, or an error, for every server and every family that this machine has.
func (d *discovery) ask(ctx context.Context) []mapping {
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		all []mapping
	)
	note := func(m mapping) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m)
	}
	for _, server := range d.servers {
		wg.Go(func() {
			at, err := d.resolve(ctx, server)
			if err != nil {
				note(mapping{server: server, err: err})
			}
			for _, a := range at {
				wg.Go(func() {
					mapped, err := d.binding(ctx, a)
					note(mapping{server, mapped, err})
				})
			}
		})
	}
	wg.Wait()
	// In the order of the configuration, IPv4 first: the list must not change with who answers sooner.
	slices.SortStableFunc(all, func(a, b mapping) int {
		if by := slices.Index(d.servers, a.server) - slices.Index(d.servers, b.server); by != 0 {
			return by
		}
		return a.mapped.Addr().BitLen() - b.mapped.Addr().BitLen()
	})
	return all
}

// resolve finds one address of each family.
func (d *discovery) resolve(ctx context.Context, server string) (list []netip.AddrPort, err error) {
	host, text, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	found, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, bits := range []int{32, 128} {
		i := slices.IndexFunc(found, func(a netip.Addr) bool { return a.Unmap().BitLen() == bits && d.usable(a.Unmap()) })
		if i >= 0 {
			list = append(list, netip.AddrPortFrom(found[i].Unmap(), uint16(port)))
		}
	}
	if len(list) == 0 {
		return nil, &net.AddrError{Err: "no address of a family that the media socket has", Addr: host}
	}
	return list, nil
}

// agree makes one list of what the servers told, and says whether they contradict each other: then the NAT gives a
// mapping for each destination (RFC 4787 section 4.1), of no use to others. The address alone may still be, with the port
// of the socket, if that is forwarded.
func agree(all []mapping, port uint16) (found []netip.AddrPort, symmetric bool) {
	seen := map[bool][]netip.AddrPort{} // by family
	for _, m := range all {
		if m.err == nil && !slices.Contains(seen[m.mapped.Addr().Is4()], m.mapped) {
			seen[m.mapped.Addr().Is4()] = append(seen[m.mapped.Addr().Is4()], m.mapped)
		}
	}
	for _, v4 := range []bool{true, false} {
		contradiction := len(seen[v4]) > 1
		symmetric = symmetric || contradiction
		for _, a := range seen[v4] {
			if contradiction {
				a = netip.AddrPortFrom(a.Addr(), port)
			}
			if !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	return found, symmetric
}

// discover begins to ask STUN servers and waits for the first round. The media socket must be open.
func (s *server) discover(ctx context.Context) {
	if len(s.cfg.STUNDiscover) == 0 {
		return
	}
	d := &discovery{
		servers: s.cfg.STUNDiscover, port: s.advertised.bound.Port(), binding: s.ports.socket.Binding,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		usable: s.advertised.speaks, changed: s.advertised.reread, log: s.log.Logger,
	}
	s.advertised.found = d.addresses
	s.discovery = d
	d.round(ctx)
	s.wg.Go(func() { d.run(ctx) })
}
