package e2e

import (
	"fmt"
	"testing"
	"time"
)

// pathUser is our side's ICE user fragment in the candidate pair that carries a page's media, "" without one: every
// ICE restart has another.
const pathUser = `(async () => {
  const peer = window.castcode?.peer;
  if (peer?.connectionState !== 'connected') return '';
  const stats = [...(await peer.getStats()).values()];
  const chosen = stats.find((s) => s.type === 'transport')?.selectedCandidatePairId;
  const pair = stats.find((s) => s.id === chosen);
  return stats.find((s) => s.id === pair?.localCandidateId)?.usernameFragment ?? '';
})()`

// TestNetworkChange tells display, viewer and caster that their network is another one. Each makes its path anew in
// the connection that it has, and the picture goes on.
func TestNetworkChange(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 1)
	d := st.openDisplay(t, s, "Hall", "")
	c := st.openCaster(t, s, "")
	c.castTo(d.code())
	v := st.joinLink(t, s, "viewer", c.roomCode(), "")
	d.settle()
	v.settle()
	for _, w := range []*window{d.window, v.window, c.window} {
		eval[bool](w, `(window.castcode.peer.mark = true)`)
		var before, after string
		eventually(t, joinTime, w.name+": a path", func() (bool, string) {
			before = eval[string](w, pathUser)
			return before != "", w.describe()
		})
		d.clear()
		v.clear()
		asked := time.Now()
		eval[bool](w, `window.dispatchEvent(new Event('online'))`)
		eventually(t, joinTime, w.name+": another path", func() (bool, string) {
			after = eval[string](w, pathUser)
			return after != "" && after != before, fmt.Sprintf("%q, then %q; %s", before, after, w.describe())
		})
		took := time.Since(asked)
		if !eval[bool](w, `window.castcode.peer.mark === true`) {
			t.Errorf("%s: the connection is another one", w.name)
		}
		for _, at := range []*window{d.window, v.window} {
			f := at.waitFrame(joinTime, time.Now())
			t.Logf("%s has a new path after at most %d ms; meanwhile at the %s: %v", w.name, took.Milliseconds(), at.name, f)
			if f.Blank > 0 || f.LongestGap > 1000 {
				t.Errorf("%s: the picture stood still or went away when the %s moved: %v", at.name, w.name, f)
			}
			at.watch(2*time.Second, 4)
		}
	}
}
