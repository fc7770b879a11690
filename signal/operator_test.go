package signal

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func codeOf(err error) string {
	var coded Coded
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

func TestOperators(t *testing.T) {
	st := newStage(t, options{})
	ctx := t.Context()
	tv, opened := st.keyed("Hall 1", "tv")
	gone, goneOpened := st.keyed("Hall 2", "gone")
	gone.granted("ok", message{"type": "leave"})
	st.display("guest")
	list := st.hub.Displays()
	states := func() (lines []string) {
		for _, d := range st.hub.Displays() {
			lines = append(lines, d.Name+" "+d.State)
		}
		return lines
	}
	if got := states(); !slices.Equal(got, []string{"guest idle", "Hall 1 idle", "Hall 2 gone"}) {
		t.Fatalf("displays %q", got)
	}
	if list[1].Address != "192.0.2.1" || list[1].Since.IsZero() || !list[1].Kept || list[0].Kept {
		t.Fatalf("displays %+v", list)
	}

	id := deviceID(opened)
	name, approval := "Front", approveAlways
	change := DisplayChange{deviceChange{Name: &name, Approval: &approval}}
	if err := st.hub.ChangeDisplay(ctx, id, change); err != nil {
		t.Fatal(err)
	}
	if got := tv.until("device"); got["name"] != "Front" || got["approval"] != "always" {
		t.Fatalf("device %v", got)
	}
	approval = "maybe"
	if err := st.hub.ChangeDisplay(ctx, id, change); codeOf(err) != CodeBadMessage {
		t.Errorf("got %v", err)
	}
	approval = approveNever
	if err := st.hub.ChangeDisplay(ctx, "d_nobody", change); codeOf(err) != CodePeerUnknown {
		t.Errorf("got %v", err)
	}

	if err := st.hub.SaveGroup(ctx, "All", []string{id, id, deviceID(goneOpened)}); err != nil {
		t.Fatal(err)
	}
	groups := st.hub.Groups()
	if len(groups) != 1 || !groups[0].Operator || len(groups[0].Displays) != 2 {
		t.Fatalf("groups %+v", groups)
	}
	for _, bad := range [][]string{nil, {"d_nobody"}, slices.Repeat([]string{id}, maxGroupSize+1)} {
		if err := st.hub.SaveGroup(ctx, "Other", bad); err == nil {
			t.Errorf("%d displays were taken", len(bad))
		}
	}
	if err := st.hub.SaveGroup(ctx, strings.Repeat("n", 65), []string{id}); codeOf(err) != CodeBadMessage {
		t.Errorf("got %v", err)
	}
	// An operator's group is of use to casters whom one of its displays knows.
	caster, _ := st.keyedCaster("lin")
	prompt := asks(t, caster, tv, message{"type": "add", "code": st.codeOf(tv)})
	if got := caster.granted("groups", message{"type": "groups"})["groups"].([]any); len(got) != 0 {
		t.Fatalf("groups %v", got)
	}
	tv.granted("ok", message{"type": "decide", "request": prompt["request"], "allow": true, "always": true})
	if got := caster.granted("groups", message{"type": "groups"})["groups"].([]any); len(got) != 1 || got[0].(map[string]any)["own"] != false {
		t.Fatalf("groups %v", got)
	}
	if got := states(); !slices.Contains(got, "Front bound") {
		t.Fatalf("displays %q", got)
	}
	allowed := st.hub.Displays()[0].Allowed
	if err := st.hub.RevokeCaster(ctx, id, allowed[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := st.hub.RevokeCaster(ctx, id, allowed[0].ID); codeOf(err) != CodePeerUnknown {
		t.Errorf("got %v", err)
	}

	// Forgotten, it goes on, and is a new one the next time.
	if err := st.hub.ForgetDisplay(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := st.hub.ForgetDisplay(ctx, id); codeOf(err) != CodePeerUnknown {
		t.Errorf("got %v", err)
	}
	if got := st.hub.Groups()[0].Displays; len(got) != 1 {
		t.Fatalf("group %v", got)
	}
	if _, again := st.keyed("Hall 1", "tv"); deviceID(again) == id || again["name"] != "Hall 1" {
		t.Fatalf("opened %v", again)
	}
	if err := st.hub.DropGroup(ctx, groups[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := st.hub.DropGroup(ctx, groups[0].ID); codeOf(err) != CodeGroupUnknown {
		t.Errorf("got %v", err)
	}
}

// codeOf is the code that a display shows.
func (st *stage) codeOf(c *client) (code string) {
	st.hub.section(func() { code = st.hub.sessions[c.peer].display.code })
	return code
}
