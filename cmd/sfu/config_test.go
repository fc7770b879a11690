package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"castcode/internal/tlsutil"
)

// environ makes the env argument of Load. HOME is an empty directory unless it is given.
func environ(t *testing.T, pairs ...string) func(string) (string, bool) {
	t.Helper()
	m := map[string]string{"HOME": t.TempDir()}
	for _, p := range pairs {
		name, text, _ := strings.Cut(p, "=")
		m[name] = text
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// load wants success.
func load(t *testing.T, env func(string) (string, bool), args ...string) *Config {
	t.Helper()
	cmd, err := Load(args, env, os.Stderr)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return cmd.Config
}

// faults wants faults and returns one line for each, "where: what".
func faults(t *testing.T, env func(string) (string, bool), args ...string) []string {
	t.Helper()
	_, err := Load(args, env, os.Stderr)
	var found Faults
	if !errors.As(err, &found) {
		t.Fatalf("%q: got %v, want faults", args, err)
	}
	var out []string
	for _, f := range found {
		if f.Where == "" || f.What == "" || f.Hint == "" {
			t.Errorf("%q: a fault without place, text or hint: %+v", args, f)
		}
		out = append(out, f.Where+": "+f.What)
	}
	return out
}

func file(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have taken bits away
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	home := t.TempDir()
	got := load(t, environ(t, "HOME="+home))
	want := &Config{
		Addr: ":8443", TLS: tlsutil.LocalCA, TURN: true, Capacity: 500, AdminAddr: "127.0.0.1:9443",
		DisplaysPerAddress: 20, RoomsPerDay: 100, LogLevel: slog.LevelInfo, Data: filepath.Join(home, ".local", "share", "castcode"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("loading made %v, %v", entries, err)
	}
}

func TestDataDirectory(t *testing.T) {
	for _, c := range []struct{ env, want string }{
		{"HOME=/home/a", "/home/a/.local/share/castcode"},
		{"HOME=/home/a XDG_DATA_HOME=/data", "/data/castcode"},
		{"HOME=/home/a XDG_DATA_HOME=relative", "/home/a/.local/share/castcode"},
		{"HOME=", "castcode-data"},
		{"HOME=relative", "castcode-data"},
		{"HOME=/home/a CASTCODE_DATA=/srv/cast", "/srv/cast"},
	} {
		if got := load(t, environ(t, strings.Fields(c.env)...)).Data; got != c.want {
			t.Errorf("%s: %s, want %s", c.env, got, c.want)
		}
	}
}

// TestPrecedence sets every setting on each level and looks which one wins.
func TestPrecedence(t *testing.T) {
	pick := map[string]func(*Config) string{
		"addr":                 func(c *Config) string { return c.Addr },
		"host":                 func(c *Config) string { return strings.Join(c.Hosts, " ") },
		"open":                 func(c *Config) string { return fmt.Sprint(c.Open) },
		"capacity":             func(c *Config) string { return fmt.Sprint(c.Capacity) },
		"displays-per-address": func(c *Config) string { return fmt.Sprint(c.DisplaysPerAddress) },
		"rooms-per-day":        func(c *Config) string { return fmt.Sprint(c.RoomsPerDay) },
	}
	for _, c := range []struct{ name, flag, env, yaml, wantFlag, wantEnv, wantFile, wantDefault string }{
		{"addr", "--addr=:1", ":2", `":3"`, ":1", ":2", ":3", ":8443"},
		{"host", "--host=a.b,c.d", "E.f , g.h,", "[i.j, k.l]", "a.b c.d", "e.f g.h", "i.j k.l", ""},
		{"host", "--host=", "e.f", "i.j, k.l", "", "e.f", "i.j k.l", ""},
		{"open", "--no-open", "true", "true", "false", "true", "true", "false"},
		{"open", "--open", "false", "false", "true", "false", "false", "false"},
		{"capacity", "--capacity=0", "2", "3", "0", "2", "3", "500"},
		{"displays-per-address", "--displays-per-address=0", "2", "3", "0", "2", "3", "20"},
		{"rooms-per-day", "--rooms-per-day=0", "2", "3", "0", "2", "3", "100"},
	} {
		path := file(t, "c.yaml", c.name+": "+c.yaml+"\n", 0o644)
		inEnv, inFile := envName(c.name)+"="+c.env, "CASTCODE_CONFIG="+path
		for level, got := range map[string]*Config{
			c.wantFlag:    load(t, environ(t, inEnv, inFile), c.flag),
			c.wantEnv:     load(t, environ(t, inEnv, inFile)),
			c.wantFile:    load(t, environ(t, inFile, envName(c.name)+"=")), // empty counts as absent
			c.wantDefault: load(t, environ(t)),
		} {
			if text := pick[c.name](got); text != level {
				t.Errorf("%s %s: got %q, want %q", c.name, c.flag, text, level)
			}
		}
	}
}

func TestFileInTheDataDirectory(t *testing.T) {
	data := t.TempDir()
	path := filepath.Join(data, "castcode.yaml")
	if err := os.WriteFile(path, []byte("capacity: 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := load(t, environ(t), "--data", data); got.Capacity != 7 || got.File != path {
		t.Errorf("capacity %d of %q", got.Capacity, got.File)
	}
	other := file(t, "c.yaml", "capacity: 8\ndata: "+data+"\n", 0o644)
	if got := load(t, environ(t), "--config", other); got.Capacity != 8 || got.Data != data || got.File != other {
		t.Errorf("capacity %d, data %s of %q", got.Capacity, got.Data, got.File)
	}
	if err := os.WriteFile(path, []byte("data: /elsewhere\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := faults(t, environ(t), "--data", data); len(got) != 1 || !strings.HasPrefix(got[0], path+":1 data: ") {
		t.Errorf("data in the data directory: %q", got)
	}
	if got := faults(t, environ(t), "--config", path+"x"); len(got) != 1 || !strings.Contains(got[0], "no such file") {
		t.Errorf("absent file: %q", got)
	}
}

func TestEverySettingArrives(t *testing.T) {
	secret := file(t, "secret", "0123456789abcdef0123456789abcdef\n", 0o600)
	got := load(t, environ(t, "CASTCODE_ADMIN_TOKEN=fedcba9876543210fedcba9876543210"),
		"serve", "--addr=192.168.1.5:443", "--host=Cast.Example.org.", "--host=192.0.2.9,cast.example.org",
		"--public-ip=203.0.113.7,2001:db8::7", "--origins=HTTPS://Www.Example.org:443/,http://a:80,http://b:8080",
		"--trusted-proxies=10.1.2.3,10.2.0.0/16,fd00::/8", "--tls=off", "--turn-secret-file", secret,
		"--turn-urls=turn:t.example.org:3478?transport=udp,turns:[2001:db8::1]:5349", "--turn-urls=stun:s.example.org",
		"--capacity=0", "--data=/srv/x", "--admin-addr=:9000", "--log-level=warn", "--log-file=/var/log/x")
	got2 := fmt.Sprintf("%s|%s|%s|%s|%s|%s|%v|%s|%s|%d|%s|%s|%s|%s", got.Addr, got.Hosts, got.PublicIPs, got.Origins,
		got.TrustedProxies, got.TLS, got.TURN, got.TURNURLs, got.TURNSecret.Reveal(), got.Capacity, got.AdminAddr,
		got.AdminToken.Reveal(), got.LogLevel, got.LogFile)
	want := "192.168.1.5:443|[cast.example.org 192.0.2.9]|[203.0.113.7 2001:db8::7]|" +
		"[https://www.example.org http://a http://b:8080]|[10.1.2.3/32 10.2.0.0/16 fd00::/8]|off|false|" +
		"[turn:t.example.org:3478?transport=udp turns:[2001:db8::1]:5349 stun:s.example.org]|" +
		"0123456789abcdef0123456789abcdef|0|:9000|fedcba9876543210fedcba9876543210|WARN|/var/log/x"
	if got2 != want {
		t.Errorf("got  %s\nwant %s", got2, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, got); strings.Contains(text, "0123456789abcdef") || strings.Contains(text, "fedcba98") {
			t.Errorf("%s prints a secret: %s", verb, text)
		}
	}
	static := load(t, environ(t, "CASTCODE_TURN_PASSWORD=pw"), "--turn-urls=turn:t.example.org", "--turn-username=u")
	if static.TURNUsername != "u" || static.TURNPassword.Reveal() != "pw" || static.TURN {
		t.Errorf("static account: %+v", static)
	}
	more := load(t, environ(t), "--http-addr=:80", "--turn-addr=0.0.0.0:3478", "--turn-tls-addr=[::]:5349")
	if got := fmt.Sprint(more.HTTPAddr, more.TURNAddr, more.TURNTLSAddr); got != ":800.0.0.0:3478[::]:5349" {
		t.Errorf("further addresses: %s", got)
	}
	if got := load(t, environ(t), "--admin-addr", "off", "--turn", "off"); got.AdminAddr != "" || got.TURN {
		t.Errorf("off: %+v", got)
	}
}

func TestFaults(t *testing.T) {
	good := file(t, "good", "0123456789abcdef0123456789abcdef", 0o600)
	shared := file(t, "shared", "0123456789abcdef0123456789abcdef", 0o640)
	short := file(t, "short", "abcdef", 0o600)
	lines := file(t, "lines", "0123456789abcdef\n0123456789abcdef\n", 0o600)
	for _, c := range []struct{ args, env, want string }{
		{"--addr=8443", "", `--addr: "8443" is not an address`},
		{"--addr=:70000", "", "--addr: the port"},
		{"--addr=a_b:1", "", `--addr: "a_b" is neither`},
		{"", "CASTCODE_ADDR=x", "CASTCODE_ADDR: "},
		{"--host=https://a.b", "", `--host: "https://a.b" is not a host name`},
		{"--host=0.0.0.0", "", `--host: "0.0.0.0" is not an address people can open`},
		{"--public-ip=cast.example.org", "", "--public-ip: "},
		{"--public-ip=::", "", "--public-ip: "},
		{"--origins=*", "", "--origins: \"*\" would let in"},
		{"--origins=null", "", "--origins: \"null\" would let in"},
		{"--origins=a.example", "", "--origins: \"a.example\" is not a web origin"},
		{"--origins=https://a.example/page", "", "has more than scheme, host and port"},
		{"--origins=https://u:p@a.example", "", "has more than scheme, host and port"},
		{"--origins=https://a.example:0", "", "has no valid port"},
		{"--trusted-proxies=0.0.0.0/0", "", "trusts everybody"},
		{"--trusted-proxies=::/0", "", "trusts everybody"},
		{"--trusted-proxies=10.0.0.0/33", "", "is not a network"},
		{"--tls=on", "", `--tls: "on" is not a mode`},
		{"--tls=files --tls-cert=/none", "", "--tls-key: is needed"},
		{"--tls=files --tls-key=/none", "", "--tls-cert: is needed"},
		{"--tls=files --tls-key=/none --tls-cert=/none", "", "--tls-key: cannot use this pair: "},
		{"--tls-cert=/x", "", "--tls-cert: is used with --tls files only"},
		{"--tls=acme", "", "--host: is needed with --tls acme"},
		{"--tls=acme --host=192.0.2.1", "", "public authority"},
		{"--tls=acme --host=hall.local", "", "public authority"},
		{"--tls=acme --host=hall", "", "public authority"},
		{"--tls=acme --host=a.example --acme-email=nobody", "", "--acme-email: is not a mail address"},
		{"--acme-email=a@b.example", "", "--acme-email: is used with --tls acme only"},
		{"--turn=yes", "", `--turn: "yes" is neither`},
		{"--turn-urls=http://a", "", "does not begin with"},
		{"--turn-urls=turn:a?transport=sctp", "", "has something else"},
		{"--turn-urls=stun:a?transport=udp", "", "has something else"},
		{"--turn-urls=turn:a:0", "", "has no valid port"},
		{"--turn-urls=turn:user@a", "", "has no valid host"},
		{"--turn-urls=turn:", "", "has no valid host"},
		{"--turn-urls=turn:a.example", "", "--turn-urls: no credentials"},
		{"--turn=off --turn-urls=turn:a.example --turn-secret-file=" + good, "", "--turn: is off, and"},
		{"--turn=off --turn-secret-file=" + good, "", "--turn-secret-file: a TURN secret is set"},
		{"--turn=off", "CASTCODE_TURN_SECRET=0123456789abcdef", "CASTCODE_TURN_SECRET: a TURN secret is set"},
		{"--turn-username=u", "", "--turn-username: is an account on the server of --turn-urls"},
		{"--turn-urls=turn:a.example --turn-username=u", "", "--turn-password-file: is missing"},
		{"--turn-urls=turn:a.example", "CASTCODE_TURN_PASSWORD=x", "--turn-username: is missing"},
		{"--turn-urls=turn:a.example --turn-username=u --turn-secret-file=" + good, "CASTCODE_TURN_PASSWORD=x", "exclude each other"},
		{"--turn-secret-file=" + shared, "", "--turn-secret-file: " + shared + " has mode 0640"},
		{"--turn-secret-file=" + short, "", "--turn-secret-file: the TURN secret has 6 characters"},
		{"--turn-secret-file=" + lines, "", "--turn-secret-file: " + lines + " does not hold one line"},
		{"--turn-secret-file=/none", "", "--turn-secret-file: /none does not exist"},
		{"--turn-secret-file=" + good, "CASTCODE_TURN_SECRET=0123456789abcdef", "is in CASTCODE_TURN_SECRET too"},
		{"", "CASTCODE_TURN_SECRET=short", "CASTCODE_TURN_SECRET: the TURN secret has 5"},
		{"", "CASTCODE_OPEN=yep", `CASTCODE_OPEN: "yep" is neither`},
		{"--capacity=-1", "", `--capacity: "-1" is not a number`},
		{"--displays-per-address=-1", "", `--displays-per-address: "-1" is not a number of displays`},
		{"--rooms-per-day=x", "", `--rooms-per-day: "x" is not a number of rooms`},
		{"--capacity=many", "", `--capacity: "many" is not a number`},
		{"--capacity=99999999999", "", `is not a number`},
		{"--data=" + good, "", "is not a directory"},
		{"--admin-addr=:9443", "", "--admin-addr: :9443 can be reached by others"},
		{"--admin-addr=192.168.1.5:9443", "", "can be reached by others"},
		{"--admin-addr=[::]:9443", "", "can be reached by others"},
		{"--admin-addr=off-", "", "--admin-addr: \"off-\" is not an address"},
		{"--admin-addr=127.0.0.1:8443", "", "is the same port as"},
		{"--http-addr=80", "", `--http-addr: "80" is not an address`},
		{"--http-addr=:8443", "", "--http-addr: is the same port as the default of --addr (:8443)"},
		{"--turn-addr=:80 --http-addr=:80", "", "--turn-addr: is the same port as --http-addr (:80)"},
		{"--turn-tls-addr=127.0.0.1:9443", "", "--turn-tls-addr: is the same port as the default of --admin-addr"},
		{"--tls=off --addr=127.0.0.1:1 --http-addr=:80", "", "--http-addr: is of no use with --tls off"},
		{"--tls=off --addr=127.0.0.1:1 --turn-tls-addr=:5349", "", "--turn-tls-addr: is of no use with --tls off"},
		{"--turn=off --turn-addr=:3478", "", "--turn-addr: is for the built-in TURN server"},
		{"--turn-urls=stun:a.example --turn-tls-addr=:5349", "", "--turn-tls-addr: is for the built-in TURN server"},
		{"--admin-token-file=" + shared, "", "has mode 0640"},
		{"", "CASTCODE_ADMIN_TOKEN=password", "CASTCODE_ADMIN_TOKEN: the admin token is worth about"},
		{"", "CASTCODE_ADMIN_TOKEN=0123456789012345678901234567890", "is worth about 102 bits"},
		{"", "CASTCODE_ADMIN_TOKEN=" + strings.Repeat("ab", 40), "is worth about 0 bits"},
		{"--log-level=trace", "", `--log-level: "trace" is not a level`},
	} {
		var env []string
		if c.env != "" {
			env = []string{c.env}
		}
		got := faults(t, environ(t, env...), strings.Fields(c.args)...)
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s %s:\ngot  %q\nwant %q", c.args, c.env, got, c.want)
		}
		for _, secret := range []string{"0123456789abcdef", "abcdef\n", "ababab", "012345678901"} {
			if _, err := Load(strings.Fields(c.args), environ(t, env...), os.Stderr); strings.Contains(err.Error(), secret) {
				t.Errorf("%s %s: the fault shows a secret: %v", c.args, c.env, err)
			}
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	path := file(t, "c.yaml", "capcity: 5\nlog-level: loud\nopen: maybe\nhost: [a, 5]\nturn: on\n", 0o644)
	got := faults(t, environ(t, "CASTCODE_TLS=nope"), "--config", path, "--addr", "1", "--admin-addr", ":2")
	want := []string{
		path + ":1 capcity: unknown key",
		path + ":3 open: is text, and has to be true or false",
		path + ":4 host: line 4 of the list is not text",
		`--addr: "1" is not an address to listen on`,
		`CASTCODE_TLS: "nope" is not a mode`,
		path + `:2 log-level: "loud" is not a level`,
		"--admin-addr: :2 can be reached by others, and there is no admin token",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	_, err := Load([]string{"--config", path}, environ(t), os.Stderr)
	var coder interface{ ExitCode() int }
	if !errors.As(err, &coder) || coder.ExitCode() != 2 {
		t.Errorf("exit code of %v", err)
	}
	if !strings.Contains(err.Error(), "has 4 faults:\n\n  "+path+":1 capcity: unknown key\n    hint: did you mean capacity?\n") {
		t.Errorf("text:\n%v", err)
	}
}

func TestFileFaults(t *testing.T) {
	for _, c := range []struct{ name, content, want, hint string }{
		{"unknown key", "\n\nfoo: 1", ":3 foo: unknown key", "sfu --help"},
		{"key with underscores", "log_level: info", ":1 log_level: unknown key", "did you mean log-level?"},
		{"secret", "turn-secret: abc", ":1 turn-secret: unknown key", "turn-secret-file or CASTCODE_TURN_SECRET"},
		{"config in itself", "config: x", ":1 config: unknown key", "sfu --help"},
		{"twice", "open: true\nopen: false", ":2 open: set twice", "remove one"},
		{"number for text", "addr: 8443", ":1 addr: is a number, and has to be text", `addr: "`},
		{"text for number", "capacity: many", ":1 capacity: is text, and has to be a whole number", "capacity: 500"},
		{"quoted number", `capacity: "5"`, ":1 capacity: is text", "capacity: 500"},
		{"fraction", "capacity: 1.5", ":1 capacity: is a number, and has to be a whole number", "capacity: 500"},
		{"list for text", "addr: [a]", ":1 addr: is a list, and has to be text", "addr:"},
		{"map", "addr:\n  port: 1", ":1 addr: is a group of settings", "addr:"},
		{"nothing", "addr:", ":1 addr: is empty", "addr:"},
		{"list in list", "host:\n- a\n- [b]", ":1 host: line 3 of the list is not text", "host:"},
		{"not YAML", "a: b: c", ": not YAML: ", "deploy/sfu.yaml"},
		{"a list", "- a", ":1: not a list of settings", "one setting a line"},
		{"two documents", "open: true\n---\nopen: true", ": more than one YAML document", "remove"},
	} {
		path := file(t, "c.yaml", c.content, 0o644)
		_, err := Load([]string{"--config", path}, environ(t), os.Stderr)
		var got Faults
		if !errors.As(err, &got) || len(got) != 1 {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if text := got[0].Where + ": " + got[0].What; !strings.Contains(text, path+c.want) || !strings.Contains(got[0].Hint, c.hint) {
			t.Errorf("%s: got %q, hint %q", c.name, text, got[0].Hint)
		}
	}
	for _, content := range []string{"", "# nothing\n", "---\n", "{}\n", "null\n"} {
		load(t, environ(t), "--config", file(t, "c.yaml", content, 0o644))
	}
	huge := file(t, "c.yaml", strings.Repeat("#", maxConfig+1), 0o644)
	if got := faults(t, environ(t), "--config", huge); !strings.Contains(got[0], "longer than") {
		t.Errorf("huge file: %q", got)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"addr: \":1\"\nhost: [a, b]", "a: &x [*x]", "? [a]\n: b", "host: &h [a]\norigins: *h", "<<: {addr: x}", "\x00", "{a: {b: c}}"} {
		f.Add(seed)
	}
	app, err := kong.New(&cli{}, kong.ExplicitGroups(groups))
	if err != nil {
		f.Fatal(err)
	}
	schema := fileSchema(schemaOf(serveNode(app.Model.Node)))
	f.Fuzz(func(t *testing.T, content string) {
		out, bad := parseFile("c.yaml", []byte(content), schema)
		for name, v := range out {
			if findSetting(schema, name) == nil || v.from == "" {
				t.Errorf("%q became %q from %q", name, v.words, v.from)
			}
		}
		for _, x := range bad {
			if !strings.HasPrefix(x.Where, "c.yaml") {
				t.Errorf("fault without a place: %+v", x)
			}
		}
	})
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"--tls=off --addr=127.0.0.1:80", ""},
		{"--tls=off --addr=localhost:80", ""},
		{"--tls=off --trusted-proxies=10.0.0.1", ""},
		{"--tls=off", "TLS is off on :8443"},
		{"--tls=off --addr=192.168.1.5:80", "TLS is off on 192.168.1.5:80"},
		{"--tls=off --open", "Open: everybody"},
		{"--open", "Open: everybody"},
		{"--tls=acme --host=a.example", "make one of them reach port 8443"},
		{"--tls=acme --host=a.example --addr=:443", ""},
		{"--tls=acme --host=a.example --http-addr=:80", ""},
		{"--tls=acme --host=a.example --http-addr=:81", "make one of them reach port 8443"},
	} {
		got := load(t, environ(t), strings.Fields(c.args)...).Warnings
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: %q", c.args, got)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--capcity=3", `did you mean "--capacity"`},
		{"--addr", "expected string value"},
		{"serv", "unexpected argument serv"},
		{"--turn-secret=x", "unknown flag"},
		{"--open=maybe", "bool"},
		{"serve extra", "unexpected argument extra"},
		{"--addr=:1 version", "--addr"},
	} {
		_, err := Load(strings.Fields(c.args), environ(t), os.Stderr)
		var usage *UsageError
		if !errors.As(err, &usage) || usage.ExitCode() != 2 || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "\n  hint: ") {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

type pingCommand struct {
	Count int `required:"" help:"How often."`
}

func (p *pingCommand) Run(times *int) error {
	*times = p.Count
	return nil
}

func TestCommands(t *testing.T) {
	extra := func() kong.Option { return kong.DynamicCommand("ping", "Say something.", "", &pingCommand{}) }
	for args, want := range map[string]string{
		"": "serve", "serve": "serve", "serve --open": "serve", "--open": "serve", "--version": "version", "version": "version",
		"-h": "help", "--help": "help", "serve -h": "help", "ping -h": "help", "ping --count=3": "ping", "--addr=:1 --version": "version",
	} {
		var out bytes.Buffer
		cmd, err := Load(strings.Fields(args), environ(t), &out, extra())
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		if cmd.Name != want || (cmd.Config != nil) != (want == "serve") || (out.Len() > 0) != (want == "help") {
			t.Errorf("%q: %s, config %v, %d bytes written", args, cmd.Name, cmd.Config != nil, out.Len())
		}
		if want == "ping" {
			var times int
			if err := cmd.Run(&times); err != nil || times != 3 {
				t.Errorf("ran %d times, %v", times, err)
			}
		}
		if args == "ping -h" && !strings.Contains(out.String(), "How often.") {
			t.Errorf("help of ping:\n%s", &out)
		}
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if _, err := Load([]string{"-h"}, environ(t), &out); err != nil {
		t.Fatal(err)
	}
	golden(t, "help.txt", out.String())
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	app, err := kong.New(&cli{}, kong.ExplicitGroups(groups))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range serveNode(app.Model.Node).Flags {
		if f.Name != "help" && !strings.Contains(out.String(), "\n  --"+f.Name) {
			t.Errorf("--%s is not in the help text", f.Name)
		}
	}
	for _, name := range envSecrets {
		if !strings.Contains(out.String(), envName(name)) {
			t.Errorf("%s is not in the help text", envName(name))
		}
	}
}

// TestExampleFile: the example in deploy names every setting and no other, each of the right kind; as it is it
// changes nothing; and what it says is the default, is.
func TestExampleFile(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "sfu.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	asIs, plain := load(t, environ(t, "HOME=/h"), "--config", path), load(t, environ(t, "HOME=/h"))
	asIs.File = ""
	if !reflect.DeepEqual(asIs, plain) {
		t.Errorf("the example changes something: %+v", asIs)
	}
	app, err := kong.New(&cli{}, kong.ExplicitGroups(groups))
	if err != nil {
		t.Fatal(err)
	}
	schema := fileSchema(schemaOf(serveNode(app.Model.Node)))
	var lines []string
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "#"); ok && text != "\n" && text[0] != ' ' {
			lines = append(lines, text)
		}
	}
	values, bad := parseFile("sfu.yaml", []byte(strings.Join(lines, "")), schema)
	if len(bad) > 0 {
		t.Error(bad)
	}
	for _, s := range schema {
		v, ok := values[s.name]
		if !ok {
			t.Errorf("%s is missing", s.name)
		}
		if s.fallback != "" && v.word() != s.fallback {
			t.Errorf("%s: the example says %q, the default is %q", s.name, v.word(), s.fallback)
		}
	}
}
