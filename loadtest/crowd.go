package loadtest

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"castcode/loadtest/peer"
	"castcode/loadtest/stream"
	"castcode/loadtest/track"
)

// crowd is all who come, and what they share.
type crowd struct {
	options   *Options
	target    target
	identity  *peer.Identity
	clock     *peer.Clock
	addresses []netip.Addr
	books     *books
	casters   []*caster

	viewers []*viewer // by index; nil before it came. Owned by the goroutine that runs the plan.
	staying sync.WaitGroup
}

// roomMark is what frames of a room carry; 0 where they carry nothing.
func (c *crowd) roomMark(room int) uint32 {
	if c.options.File != "" || len(c.casters) == 0 {
		return 0
	}
	return uint32(room + 1)
}

func (c *crowd) ledgerOf(room int) track.Ledger {
	if room < len(c.casters) && c.casters[room].ledger != nil {
		return c.casters[room].ledger
	}
	return nil
}

// lose is what happens on the path to viewer i; nil where nothing does.
func (c *crowd) lose(i int) func(int, time.Time) bool {
	if c.options.Loss == 0 && !c.options.slow(i) {
		return nil
	}
	return c.options.newPath(i).loses
}

// slots say which m-line of a viewer's offer shows what.
var slots = map[string]string{peer.VideoMid: "screen", peer.AudioMid: "audio"}

// admit lets viewer i in.
func (c *crowd) admit(ctx context.Context, i int, offer string) (string, func(), error) {
	room := c.options.room(i)
	if ours, ok := c.target.(*codes); ok && i < c.options.Displays {
		return ours.display(ctx, offer, slots, ours.bind(ctx, room))
	}
	return c.target.watch(ctx, room, offer, slots)
}

// come lets viewer i come, and stay until ctx ends.
func (c *crowd) come(ctx context.Context, i int) {
	v := &viewer{crowd: c, index: i, again: make(chan struct{}, 1)}
	c.viewers[i] = v
	c.staying.Go(func() { v.stay(ctx) })
}

// back lets viewer i leave and come back, unless it is about to.
func (c *crowd) back(i int) {
	if v := c.viewers[i]; v != nil {
		select {
		case v.again <- struct{}{}:
		default:
		}
	}
}

// look returns the state of all who came.
func (c *crowd) look() (list []state, came int) {
	for _, v := range c.viewers {
		if v != nil {
			list = append(list, v.look())
		}
	}
	return list, len(list)
}

// cast lets all casters start. Where there are none somebody else casts already.
func (c *crowd) cast(ctx context.Context) error {
	for room := range c.options.Rooms {
		if err := c.target.open(ctx, room); err != nil {
			return err
		}
		if c.options.URL == "" && c.options.WHIP == "" {
			continue
		}
		s := &caster{options: c.options, room: room, target: c.target}
		if c.options.File != "" {
			s.ledger = &stream.Ledger{}
		}
		c.casters = append(c.casters, s)
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	return nil
}
