package e2e

import (
	"fmt"
	"testing"
)

// layersOf lists what the caster sends: the size and the pictures of each layer.
const layersOf = `(async () => {
  const stats = [...(await window.castcode.peer.getStats()).values()];
  return stats.filter((s) => s.type === 'outbound-rtp' && s.kind === 'video' && s.framesEncoded > 0)
    .map((s) => ({ rid: s.rid ?? '', width: s.frameWidth ?? 0 })).sort((a, b) => a.width - b.width);
})()`

type layerSent struct {
	RID   string `json:"rid"`
	Width int    `json:"width"`
}

// TestCameraGoesOutInSeveralSizes casts a camera as video: the browser sends it in several sizes, and a viewer whose
// network is not narrow gets the largest.
func TestCameraGoesOutInSeveralSizes(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	c := &caster{st.headless.open(t, "caster", s.url("/"))}
	c.waitState(joinTime, "idle")
	c.click("#start")
	c.waitState(joinTime, "choosing")
	c.click("label:has(#mode-video)")
	c.click("#camera")
	c.waitState(joinTime, "live")
	v := st.joinLink(t, s, "viewer", c.roomCode(), "")
	eventually(t, joinTime, "several sizes are sent and the viewer has the largest", func() (bool, string) {
		layers, got := eval[[]layerSent](c.window, layersOf), v.figures()
		ok := len(layers) >= 2 && layers[len(layers)-1].RID == "h" && got.Width == layers[len(layers)-1].Width
		return ok, fmt.Sprintf("sent %+v, seen %d wide", layers, got.Width)
	})
}
