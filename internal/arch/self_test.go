package arch

import (
	"fmt"
	"go/parser"
	"go/token"
	"testing"
)

// parse makes a source out of text.
func parse(t *testing.T, path, text string) *source {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return newSource(path, syntax)
}

// TestTheRulesSee checks the tools of the rules on trees made up for it, so that a rule cannot pass because it is
// blind.
func TestTheRulesSee(t *testing.T) {
	s := parse(t, "sfu/forward/a.go", `package forward
import clock "time"
import "os"
var now = clock.Now
func f() { defer clock.Sleep(1); os.Exit(1); time.Now() }`)
	if got := fmt.Sprint(s.uses("time"), s.uses("os"), s.uses("log")); got != "[Now Sleep] [Exit] []" {
		t.Errorf("uses: %s", got)
	}
	if s.pkg != "castcode/sfu/forward" || s.test {
		t.Errorf("package %s, test %v", s.pkg, s.test)
	}
	all := []*source{
		parse(t, "signal/a.go", `package signal; import "castcode/internal/x"`),
		parse(t, "signal/a_test.go", `package signal; import _ "castcode/internal/y"`),
		parse(t, "internal/x/x.go", `package x; import "castcode/sfu/udp"`),
		parse(t, "internal/x/x_test.go", `package x; import "castcode/turn"`),
		parse(t, "internal/y/y.go", `package y`),
	}
	if got := fmt.Sprint(reach(all, "castcode/signal", false)); got !=
		"map[castcode/internal/x:[castcode/signal castcode/internal/x] castcode/sfu/udp:[castcode/signal castcode/internal/x castcode/sfu/udp]]" {
		t.Errorf("reach: %s", got)
	}
	if got := reach(all, "castcode/signal", true); len(got) != 3 || got["castcode/internal/y"] == nil {
		t.Errorf("reach with tests: %v", got)
	}
	for name, want := range map[string]bool{
		"SessionManager": true, "helpers": true, "stringUtil": true, "AuthHandler": true, "sdpinfo": true, "UTILS": true,
		"Room": false, "information": false, "handle": false, "utility": false,
	} {
		if vague.MatchString(name) != want {
			t.Errorf("vague name %s: %v", name, !want)
		}
	}
	if !within("castcode/sfu/udp", "castcode/sfu") || within("castcode/sfux", "castcode/sfu") {
		t.Error("within")
	}
}
