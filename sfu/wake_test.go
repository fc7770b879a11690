package sfu

import (
	"fmt"
	"testing"
	"time"
)

// A packet of a layer wakes those who follow it, and nobody else in the shard.
func TestLayerWakesItsOwnViewers(t *testing.T) {
	e, seen := newEngine(t)
	c := publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	var eyes []*eye
	for i := range 2 * len(e.shards) { // each shard has one of each kind
		v := &eye{receiver: watch(t, e, "c", fmt.Sprint("v", i))}
		eyes = append(eyes, v)
		if i < len(e.shards) {
			e.Prefer(fmt.Sprint("v", i), "screen", Wish{RID: "l", Spatial: -1, Temporal: -1})
		}
	}
	for i, v := range eyes {
		seen.connected(t, fmt.Sprint("v", i))
		width := 1280
		if i < len(e.shards) {
			width = 320
		}
		v.until(width, 10*time.Second)
	}
	for _, rid := range []string{"l", "m", "h"} {
		c.pause(rid, true)
	}
	last := uint64(0)
	eventually(t, "nothing is on its way any more", func() bool {
		before := last
		last = e.Snapshot().Packets
		time.Sleep(20 * time.Millisecond)
		return last == before
	})
	e.mu.Lock()
	track := e.byID["c"].tracks[Screen]
	e.mu.Unlock()
	streams := track.menu.Load().streams
	for i, sh := range e.shards {
		for place, want := range map[int]int{0: 1, 1: 0, 2: 1} {
			sh.busy.Lock()
			sh.hear()
			sh.ready = sh.ready[:0]
			for _, v := range sh.viewers {
				v.ready = false
			}
			s := streams[place]
			sh.wake(news{track.follows[i], s, &s.audiences[i].dirty}, false)
			sh.hear()
			for _, v := range sh.ready {
				if v.downs[0].stream != s {
					t.Errorf("layer %d wakes a viewer of another", place)
				}
			}
			if len(sh.ready) != want {
				t.Errorf("layer %d wakes %d viewers of a shard, want %d", place, len(sh.ready), want)
			}
			sh.busy.Unlock()
		}
		sh.wake(news{track.follows[i], nil, &track.follows[i].dirty}, false)
		sh.busy.Lock()
		sh.hear()
		if len(sh.ready) != 2 {
			t.Errorf("a change of the menu wakes %d viewers", len(sh.ready))
		}
		sh.busy.Unlock()
	}
}
