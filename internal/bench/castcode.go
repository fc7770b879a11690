//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"castcode/sfu"
	"castcode/sfu/udp"
)

const castName = "bench"

// product is castcode's media plane with nothing taken out: a caster in a process of its own over DTLS and SRTP, the
// log, shards, viewers with repair and reports.
type product struct {
	socket  *udp.Socket
	engine  *sfu.Engine
	caster  *child
	viewers int
	up      atomic.Int64
}

func newProduct(gso bool) (Contestant, error) {
	p, err := openProduct(gso)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// openProduct starts an engine and its caster, who sends nothing yet.
func openProduct(gso bool) (*product, error) {
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		return nil, err
	}
	if !gso {
		socket.DisableGSO()
	}
	p := &product{socket: socket}
	addr := socket.LocalAddr().AddrPort()
	p.engine, err = sfu.New(sfu.Config{
		Socket: socket, Addresses: func() []netip.AddrPort { return []netip.AddrPort{addr} },
		Events: p, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if p.caster, err = startChild(castWord); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.publish(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// withProduct lets do have a receiving process and a server whose caster sends nothing yet, and ends both.
func withProduct[T any](do func(c *child, server *product) (T, error)) (result T, err error) {
	c, err := startChild(receiveWord)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	server, err := openProduct(true)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return do(c, server)
}

func (p *product) publish() error {
	a, err := p.caster.ask(request{Do: "offer"})
	if err != nil {
		return err
	}
	answer, err := p.engine.Publish(context.Background(), castName, "caster", a.SDP, slotsOf(a.SDP))
	if err != nil {
		return err
	}
	_, err = p.caster.ask(request{Do: "answer", SDP: answer})
	return err
}

// slotsOf gives the first m-line of an offer the main picture.
func slotsOf(offer string) map[string]string {
	_, rest, _ := strings.Cut(offer, "\na=mid:")
	mid, _, _ := strings.Cut(rest, "\n")
	return map[string]string{strings.TrimSpace(mid): "screen"}
}

// CastChanged and PeerChanged are sfu.Events.
func (p *product) CastChanged(string, bool, map[string]string) {}

func (p *product) PeerChanged(peer, state string) {
	if peer != "caster" && state == "connected" {
		p.up.Add(1)
	}
}

func (p *product) Bare() bool { return false }

func (p *product) Join(v Viewer) (string, error) {
	p.viewers++
	return p.engine.Watch(context.Background(), castName, "viewer "+strconv.Itoa(p.viewers), v.Offer, slotsOf(v.Offer))
}

func (p *product) Ready() error {
	return p.until("not all viewers are connected", func() bool { return p.up.Load() >= int64(p.viewers) })
}

// until polls; a poll costs a few microseconds.
func (p *product) until(what string, met func() bool) error {
	for end := time.Now().Add(connectPatience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New(what)
		}
	}
	return nil
}

// start lets the caster send in real time from now on, and waits until the log holds that much of it.
func (p *product) start(warm time.Duration) error {
	if _, err := p.caster.ask(request{Do: "start"}); err != nil {
		return err
	}
	if err := p.until("nothing comes from the caster", func() bool { return p.engine.Snapshot().Packets > 0 }); err != nil {
		return err
	}
	time.Sleep(warm)
	return nil
}

// stop ends what start began.
func (p *product) stop() error {
	_, err := p.caster.ask(request{Do: "stop"})
	return err
}

func (p *product) Forward(*Frame) error { return errors.New("frames come from the caster") }

// Run lets the caster send for that long.
func (p *product) Run(speed int, length time.Duration) (f Figures, err error) {
	q := request{Do: "run", Length: length, Speed: speed}
	runtime.GC()
	sent := p.socket.Counts().Sent
	cpu, allocs := cpuTime(), mallocs()
	a, err := p.caster.ask(q)
	if err != nil {
		return f, err
	}
	f = a.Figures
	f.Packets *= uint64(p.viewers)
	err = p.until("packets were lost", func() bool { return p.socket.Counts().Sent >= sent+f.Packets })
	f.CPU, f.Allocs, f.Length = cpuTime()-cpu, mallocs()-allocs, length
	if err != nil {
		n := p.socket.Counts()
		return f, fmt.Errorf("%w: %d sent, %d forwarded; %v; socket %v", err, f.Packets, n.Sent-sent, p.engine.Snapshot().Drops, n.Dropped)
	}
	return f, nil
}

func (p *product) Close() error {
	var err error
	if p.caster != nil {
		err = p.caster.close()
	}
	p.engine.Close() // closes the socket too
	return errors.Join(err, p.socket.Close())
}
