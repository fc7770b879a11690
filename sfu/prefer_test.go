package sfu

import (
	"slices"
	"testing"
	"time"
)

var anything = Wish{Spatial: -1, Temporal: -1}

func TestViewerGetsNoMoreThanItPrefers(t *testing.T) {
	e, seen := newEngine(t)
	c := publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	v, other := &eye{receiver: watch(t, e, "c", "v")}, &eye{receiver: watch(t, e, "c", "other")}
	seen.connected(t, "v", "other")
	v.until(1280, 10*time.Second)
	other.until(1280, 10*time.Second)
	for _, step := range []struct {
		name  string
		wish  Wish
		width int
	}{
		{"a layer", Wish{RID: "m", Spatial: -1, Temporal: -1}, 640},
		{"the lowest", Wish{RID: "l", Spatial: -1, Temporal: -1}, 320},
		{"anything", anything, 1280},
		{"a size", Wish{Spatial: -1, Temporal: -1, Width: 1279, Height: 2000}, 640},
		{"a size below all", Wish{Spatial: -1, Temporal: -1, Height: 100}, 320},
		{"a bitrate", Wish{Spatial: -1, Temporal: -1, Bitrate: 200_000}, 640},
		{"a bitrate below all", Wish{Spatial: -1, Temporal: -1, Bitrate: 1}, 320},
		{"a layer that is not there", Wish{RID: "x", Spatial: -1, Temporal: -1}, 1280},
		{"a layer and a size", Wish{RID: "h", Spatial: -1, Temporal: -1, Width: 640}, 640},
	} {
		e.Prefer("v", "screen", step.wish)
		v.until(step.width, 10*time.Second)
		for range 60 { // a second and a half, in which it would climb
			if got := v.see(step.width); got != step.width {
				t.Fatalf("%s: width %d, want %d", step.name, got, step.width)
			}
		}
	}
	// What it prefers is not sent any more: the next lower one is.
	c.pause("m", true)
	v.until(320, 5*time.Second)
	c.pause("m", false)
	v.until(640, 10*time.Second)
	e.Prefer("v", "screen", anything)
	v.until(1280, 10*time.Second)
	for len(other.packets) > 0 {
		other.see(1280)
	}
	for _, nothing := range [][2]string{{"nobody", "screen"}, {"v", "camera"}, {"v", "whiteboard"}, {"caster", "screen"}} {
		e.Prefer(nothing[0], nothing[1], Wish{RID: "l"})
	}
	for range 40 {
		v.see(1280)
	}
}

// A wish that comes before the viewer is connected counts from its first packet.
func TestWishBeforeTheViewerIsConnected(t *testing.T) {
	e, seen := newEngine(t)
	publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	eventually(t, "all layers are there", func() bool { return len(e.Layers("c")) == 3 })
	v := &eye{receiver: watch(t, e, "c", "v")}
	e.Prefer("v", "screen", Wish{RID: "l", Spatial: -1, Temporal: -1})
	for range 80 {
		v.see(320)
		if got := int(v.last.Payload[10]) | int(v.last.Payload[11])<<8; got != 320 {
			t.Fatalf("width %d", got)
		}
	}
}

func TestLayers(t *testing.T) {
	e, seen := newEngine(t)
	if got := e.Layers("c"); len(got) != 0 {
		t.Errorf("of no cast: %+v", got)
	}
	c := publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	want := []Layer{
		{Slot: "screen", RID: "l", Width: 320, Height: 180, Bitrate: 120 * 8 * 40, Active: true},
		{Slot: "screen", RID: "m", Width: 640, Height: 360, Bitrate: 350 * 8 * 40, Active: true},
		{Slot: "screen", RID: "h", Width: 1280, Height: 720, Bitrate: 1000 * 8 * 40, Active: true},
	}
	alike := func(a, b Layer) bool { // the pictures of a loaded machine come a little later
		near := a.Bitrate > b.Bitrate*3/4 && a.Bitrate < b.Bitrate*5/4
		a.Bitrate, b.Bitrate = 0, 0
		return near && a == b
	}
	eventually(t, "all layers are there", func() bool { return len(e.Layers("c")) == 3 })
	c.keyframes() // the first ones went by while the layers were told apart
	eventually(t, "the layers are as they are sent", func() bool { return slices.EqualFunc(e.Layers("c"), want, alike) })
	c.pause("h", true)
	eventually(t, "the highest is silent", func() bool { l := e.Layers("c"); return len(l) == 3 && !l[2].Active && l[1].Active })
	e.Leave("caster")
	eventually(t, "none without a caster", func() bool { return len(e.Layers("c")) == 0 && len(e.Ingest("c")) == 0 })
}
