package arch

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// edge forbids imports. from and to are packages with all that is below them.
type edge struct {
	from, to []string
	except   []string // packages of from that are free
	testers  []string // packages of from whose test files are
	tests    bool     // the rule holds for test files too
	reason   string
}

const pion = "github.com/pion"

var edges = []edge{
	{
		from: []string{"castcode/signal"}, to: []string{"castcode/sfu"}, tests: true,
		reason: "signal knows people and rooms and is tested with a fake; it reaches the media plane through signal.Media only",
	},
	{
		from: []string{"castcode/sfu"}, to: []string{"castcode/signal"}, tests: true,
		reason: "sfu knows packets and no people; it tells what happens through sfu.Events only",
	},
	{
		from: []string{"castcode/signal"}, to: []string{pion},
		reason: "offers and answers pass through signal as texts; whoever parses them belongs to the media plane",
	},
	{
		from: []string{"castcode/sfu/forward", "castcode/sfu/packet", "castcode/sfu/codec"}, to: []string{pion},
		reason: "decisions about packets are pure and outlive the next major version of pion",
	},
	{
		from: []string{"castcode/turn"}, to: []string{"castcode/sfu", "castcode/signal"}, tests: true,
		reason: "a relay gets addresses and a way to the socket by plain arguments; run.go joins them",
	},
	{
		from: []string{"castcode/loadtest"}, to: []string{"castcode/sfu", "castcode/signal", "castcode/turn"}, tests: true,
		reason: "the load test must see the server from outside, by the same wire as everybody",
	},
	{
		from: []string{"castcode/internal"}, to: []string{"castcode/cmd"}, tests: true,
		reason: "cmd/sfu joins the parts; nothing imports it",
	},
	{
		from: []string{"castcode"}, to: []string{pion + "/webrtc"}, tests: true,
		except: []string{"castcode/sfu", "castcode/loadtest", "castcode/internal/bench"}, testers: []string{"castcode/cmd/sfu"},
		reason: "webrtc v3 gets no more fixes; it stays where it can be replaced: the casters' side, the load test, and peers in tests",
	},
	{
		from: []string{"castcode"}, to: []string{"castcode/internal/linksim"},
		reason: "it makes networks for tests, as root",
	},
	{
		from: []string{"castcode"}, to: []string{"github.com/letsencrypt", "github.com/miekg"},
		reason: "a certificate authority and its DNS server are for tests",
	},
	{
		from: []string{"castcode"}, to: []string{"github.com/stretchr/testify"}, tests: true,
		reason: "testing is enough",
	},
}

func TestImports(t *testing.T) {
	all := tree(t)
	for _, s := range all {
		for _, e := range edges {
			if !withinAny(s.pkg, e.from...) || withinAny(s.pkg, e.except...) || s.test && (!e.tests || withinAny(s.pkg, e.testers...)) {
				continue
			}
			for imported := range s.imports {
				if withinAny(imported, e.to...) {
					t.Errorf("%s imports %s: %s", s.path, imported, e.reason)
				}
			}
		}
	}
	// The same through other packages of this module.
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.pkg] {
			continue
		}
		seen[s.pkg] = true
		for _, e := range edges {
			if !withinAny(s.pkg, e.from...) || e.from[0] == module {
				continue
			}
			for imported, way := range reach(all, s.pkg, e.tests) {
				if len(way) > 2 && withinAny(imported, e.to...) {
					t.Errorf("%s: %s", strings.Join(way, " imports "), e.reason)
				}
			}
		}
	}
}

func TestPurePackagesUseTheStandardLibraryAndEachOtherOnly(t *testing.T) {
	pure := []string{"castcode/sfu/forward", "castcode/sfu/packet", "castcode/sfu/codec"}
	for _, s := range tree(t) {
		if s.test || !withinAny(s.pkg, pure...) {
			continue
		}
		for imported := range s.imports {
			outside := strings.Contains(strings.Split(imported, "/")[0], ".") || within(imported, module)
			if outside && !withinAny(imported, pure...) {
				t.Errorf("%s imports %s: forward, packet and codec stand on the standard library alone", s.path, imported)
			}
			if slices.Contains([]string{"net", "os", "log", "log/slog", "io"}, imported) {
				t.Errorf("%s imports %s: forward, packet and codec do no input or output", s.path, imported)
			}
		}
		for _, name := range s.uses("time") {
			if slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}, name) {
				t.Errorf("%s uses time.%s: a decision gets its time as an argument, so that a test can own it", s.path, name)
			}
		}
	}
}

func TestOnlyMainReadsFlagsAndEnvironment(t *testing.T) {
	for _, s := range tree(t) {
		if s.test || withinAny(s.pkg, "castcode/cmd/sfu", "castcode/internal/e2e", "castcode/internal/bench", "castcode/internal/linksim") {
			continue
		}
		const reason = "only cmd/sfu reads flags and environment; other packages get their settings as arguments"
		for _, imported := range []string{"flag", "github.com/alecthomas/kong", "github.com/spf13/pflag"} {
			if _, ok := s.imports[imported]; ok {
				t.Errorf("%s imports %s: %s", s.path, imported, reason)
			}
		}
		for _, name := range s.uses("os") {
			if slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args", "UserHomeDir", "UserConfigDir"}, name) {
				t.Errorf("%s uses os.%s: %s", s.path, name, reason)
			}
		}
	}
}

func TestOnlyMainExits(t *testing.T) {
	for _, s := range tree(t) {
		if s.test || s.name == "main" {
			continue
		}
		const reason = "only main ends the process; others return an error, so that what is open gets closed"
		for _, name := range s.uses("os") {
			if name == "Exit" {
				t.Errorf("%s uses os.Exit: %s", s.path, reason)
			}
		}
		for _, name := range s.uses("log") {
			if strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic") {
				t.Errorf("%s uses log.%s: %s", s.path, name, reason)
			}
		}
	}
}

// maxLines is where a file has to be split. It is far above the habit of 400.
const maxLines = 600

func TestFilesAreShort(t *testing.T) {
	for _, p := range files(t) {
		if !slices.Contains([]string{".go", ".js", ".mjs", ".css", ".html", ".sh", ".ts"}, path.Ext(p)) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(top, p))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\n"); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: it has more than one subject, split it", p, n, maxLines)
		}
	}
}

// vague are endings of names that say nothing about what a thing is.
var vague = regexp.MustCompile(`(?i)(manager|helper|util|handler|info)s?$`)

func TestNamesSayWhatAThingIs(t *testing.T) {
	const reason = "names are the field's terms (room, code, caster, viewer, session); this ending says nothing"
	for _, p := range files(t) {
		base, _, _ := strings.Cut(path.Base(p), ".")
		base = strings.TrimSuffix(base, "_test")
		if slices.Contains([]string{".go", ".js", ".mjs", ".ts"}, path.Ext(p)) && vague.MatchString(base) {
			t.Errorf("%s: %s", p, reason)
		}
		if dir := path.Base(path.Dir(p)); vague.MatchString(dir) && path.Dir(p) != "internal/tlsutil" {
			t.Errorf("%s: %s", path.Dir(p), reason)
		}
	}
	for _, s := range tree(t) {
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && vague.MatchString(spec.Name.Name) {
				t.Errorf("%s: type %s: %s", s.path, spec.Name.Name, reason)
			}
			return true
		})
	}
}

func TestTopLevelIsTheLayoutOfTheArchitecture(t *testing.T) {
	allowed := append(ignored(t), "cmd", "sfu", "signal", "turn", "web", "loadtest", "internal", "docs", "deploy",
		"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "go.mod", "go.sum")
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fits := func(pattern string) bool {
			ok, err := path.Match(pattern, e.Name())
			return ok && err == nil
		}
		if e.Name()[0] != '.' && !slices.ContainsFunc(allowed, fits) {
			t.Errorf("%s: the top level holds what docs/architecture.md lists, and nothing else", e.Name())
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	// Put together here, so that this file does not find itself.
	marks := regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME|XX" + `X)\b`)
	for _, p := range files(t) {
		text := []string{".go", ".js", ".mjs", ".ts", ".css", ".html", ".sh", ".yml", ".yaml", ".md", ".conf", ".service"}
		if !slices.Contains(text, path.Ext(p)) && path.Base(p) != "Makefile" && path.Dir(p) != ".ci" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(top, p))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			if found := marks.FindString(line); found != "" {
				t.Errorf("%s:%d: %s: do it now, or write down in docs why not", p, i+1, found)
			}
		}
	}
}
