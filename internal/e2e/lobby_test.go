package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhoGetsIn is a room with a door, as people see it: who comes waits and is let in or declined, types the PIN, finds
// the room locked, or comes too early. CASTCODE_SHOTS, if set, gets pictures of it.
func TestWhoGetsIn(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	shoot := func(w *window, name string, width, height int64) {
		if dir := os.Getenv("CASTCODE_SHOTS"); dir != "" {
			w.shoot(filepath.Join(dir, name+".png"), "en", width, height)
		}
	}
	c := &caster{st.headless.open(t, "host", s.url("/?lang=en"))}
	c.waitState(joinTime, "idle")
	c.hostFrom("#host-home")
	code := s.keepSecret(c.roomCode())

	// The waiting room.
	c.click("label:has(#door-waiting)")
	c.waitSetting("waiting", "true")
	ann := st.joinLink(t, s, "Ann", code, "?lang=en")
	ann.waitState(joinTime, "lobby")
	ann.waitText("#lobby-address", "Your address")
	bob := st.joinLink(t, s, "Bob", code, "?lang=zh")
	bob.waitState(joinTime, "lobby")
	bob.do(reload)
	bob.waitState(joinTime, "lobby")
	c.waitText("#lobby-count", "2 people")
	shoot(ann.window, "viewer-lobby", 1280, 800)
	c.click("#lobby-list li .admit")
	ann.waitState(joinTime, "waiting")
	c.waitMembers(0, 1)
	c.waitText("#lobby-count", "1 person")
	shoot(c.window, "caster-door", 1440, 1250)
	c.click("#lobby-list li button:not(.admit)")
	bob.waitState(joinTime, "ended")
	ann.do(reload) // comes back without waiting
	ann.waitState(joinTime, "waiting")

	// A PIN, over the private link.
	c.click("details.more summary")
	c.click("#door-pin")
	c.keys("4711\r")
	c.waitSetting("pin", "true")
	shoot(c.window, "caster-door-more", 1440, 1700)
	link := s.keepSecret(c.copies("#copy-private"))
	if !strings.Contains(link, "/w#t=") {
		t.Fatalf("the private link is %q", link)
	}
	c.click("label:has(#door-waiting)")
	c.waitSetting("waiting", "false")
	eve := &viewer{st.headless.open(t, "Eve", strings.Replace(link, "/w#", "/w?lang=en#", 1))}
	eve.waitState(joinTime, "pin")
	eve.keys("4712\r")
	eve.waitError(joinTime, "#pin-error", "pin_wrong")
	shoot(eve.window, "viewer-pin", 1280, 800)
	eve.keys("4711\r")
	eve.waitState(joinTime, "waiting")

	// Locked, then opened later.
	c.click("label:has(#door-locked)")
	c.waitSetting("locked", "true")
	late := st.joinLink(t, s, "late", code, "?lang=en")
	late.waitError(joinTime, "#code-error", "room_locked")
	c.click("label:has(#door-locked)")
	c.waitSetting("locked", "false")
	c.click("#pin-remove")
	c.waitSetting("pin", "false")
	eval[bool](c.window, `(() => {
		const at = new Date(Date.now() + 7200000 - new Date().getTimezoneOffset() * 60000);
		document.getElementById('door-starts').value = at.toISOString().slice(0, 16);
		document.getElementById('door-starts-form').requestSubmit();
		return true;
	})()`)
	c.waitText("#door-starts-state", "Opens")
	early := st.joinLink(t, s, "early", code, "?lang=en")
	early.waitState(joinTime, "soon")
	early.waitText("#opens-at", ":")
	shoot(early.window, "viewer-soon", 390, 844)
	c.click("#open-now")
	early.waitState(joinTime, "waiting")

	// Another code: the old one is nobody's.
	c.click("#rotate-code")
	eventually(t, joinTime, "the page shows another code", func() (bool, string) {
		now := eval[string](c.window, `document.querySelector('#room-code').dataset.code`)
		return now != code, now
	})
	s.keepSecret(c.roomCode())
	stale := st.joinLink(t, s, "stale", code, "?lang=en")
	stale.waitError(joinTime, "#code-error", "code_unknown")
	c.waitMembers(0, 3)
}

// waitSetting waits until the server has taken a setting of the room.
func (c *caster) waitSetting(name, want string) {
	c.t.Helper()
	id := map[string]string{"waiting": "door-waiting", "locked": "door-locked"}[name]
	look := `String(document.getElementById('` + id + `').checked)`
	if name == "pin" {
		look = `String(!document.getElementById('pin-remove').hidden)`
	}
	eventually(c.t, joinTime, fmt.Sprintf("%s is %s", name, want), func() (bool, string) {
		got, err := try[string](c.window, look)
		return err == nil && got == want, got
	})
}
