package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"castcode/internal/logging"
	"castcode/internal/tlsutil"
)

// Config is the checked configuration of a server: what stands here can be used without looking again. All
// fields are exported so that printing it redacts the secrets.
type Config struct {
	// File is the configuration file that was read; empty without one.
	File string

	// Addr is where to listen, "host:port" or ":port". Port 0 takes a free one.
	Addr string
	// HTTPAddr is a further address for plain HTTP, TURNAddr one for TURN over UDP and TCP, TURNTLSAddr one for TURN
	// over TLS; empty: none.
	HTTPAddr, TURNAddr, TURNTLSAddr string
	// HTTPDisplays serves displays and viewers over plain HTTP on private networks.
	HTTPDisplays bool
	// Hosts are configured names and addresses, lower case, preferred one first; may be empty.
	Hosts []string
	// PublicIPs are addresses to advertise that are on no interface.
	PublicIPs []netip.Addr
	// STUNDiscover are STUN servers, "host:port", that are asked for further ones.
	STUNDiscover []string
	// Origins are further web origins, "scheme://host[:port]" in lower case without a default port.
	Origins []string
	// TrustedProxies may set X-Forwarded-For and X-Forwarded-Proto.
	TrustedProxies []netip.Prefix

	TLS             tlsutil.Mode
	TLSCert, TLSKey string // set when TLS is files
	ACMEEmail       string

	// TURN says whether the built-in server runs. It does not when TURNURLs are given.
	TURN bool
	// TURNSecret is for REST credentials; empty: take the one of the data directory (with TURN), or TURNURLs
	// have a fixed account.
	TURNSecret logging.Secret
	// TURNURLs are those of an external server (RFC 7065), handed out instead of ours.
	TURNURLs []string
	// TURNUsername and TURNPassword are the fixed account there; both or neither.
	TURNUsername string
	TURNPassword logging.Secret

	// Open admits by room name and without an Origin header.
	Open bool
	// Capacity of a room in viewers and displays; 0 is without a limit.
	Capacity int
	// DisplaysPerAddress and RoomsPerDay bound what one address may have and do; 0 is without a limit.
	DisplaysPerAddress int
	RoomsPerDay        int

	// Tokens are join tokens; nil: there are none.
	Tokens *Tokens
	// Webhook gets events; nil: nobody does.
	Webhook *Webhook

	Data string
	// AdminAddr is where metrics, health and profiles are; empty: nowhere.
	AdminAddr string
	// AdminToken is never empty when AdminAddr is not on loopback.
	AdminToken logging.Secret
	LogLevel   slog.Level
	LogFile    string

	// Warnings are sentences about choices that are allowed and dangerous, for the banner and the log.
	Warnings []string
}

// Command is what the command line asks for.
type Command struct {
	// Name is "serve", "version", "help" (the text is written already), or that of an extra command.
	Name string
	// Config is set for serve only.
	Config *Config

	ctx *kong.Context
}

// Run runs an extra command: the Run method of its struct, with binds as kong has it.
func (c *Command) Run(binds ...any) error { return c.ctx.Run(binds...) }

// Load reads the command line (without the program's name), the environment and the configuration file, in this
// order of precedence, and checks the result. out gets the help text. extra adds commands
// (kong.DynamicCommand). Nothing is read from the process itself. An error is a *UsageError or of type Faults,
// and main exits with its ExitCode.
func Load(args []string, env func(string) (string, bool), out io.Writer, extra ...kong.Option) (*Command, error) {
	var flags cli
	helped := false
	options := append([]kong.Option{
		kong.Name(program),
		kong.ExplicitGroups(append(groups[:len(groups):len(groups)], loadTestGroups...)),
		kong.Help(printHelp),
		kong.Writers(out, out),
		kong.Exit(func(int) { helped = true }), // only the help flag exits
	}, extra...)
	parser, err := kong.New(&flags, options...)
	if err != nil {
		return nil, err // a fault in a struct tag: every test would see it
	}
	ctx, err := parser.Parse(args)
	switch {
	case helped:
		return &Command{Name: "help"}, nil
	case err != nil:
		return nil, &UsageError{err.Error()}
	case flags.ShowVersion:
		return &Command{Name: "version"}, nil
	}
	name, _, _ := strings.Cut(ctx.Command(), " ")
	if name != "serve" {
		return &Command{Name: name, ctx: ctx}, nil
	}
	config, err := loadServe(ctx, serveNode(parser.Model.Node), env)
	if err != nil {
		return nil, err
	}
	return &Command{Name: name, Config: config, ctx: ctx}, nil
}

// loadServe stacks the layers and checks what comes out.
func loadServe(ctx *kong.Context, serve *kong.Node, env func(string) (string, bool)) (*Config, error) {
	schema := schemaOf(serve)
	s := stack{flagLayer(ctx, serve), envLayer(schema, env), layer{}, defaultLayer(schema, env)}
	var faults Faults
	path, given := s.text("config").word(), true
	if path == "" {
		path, given = filepath.Join(s.text("data").word(), "castcode.yaml"), false
	}
	file, bad, err := readFile(path, fileSchema(schema))
	switch {
	case err == nil:
		s[2] = file
		faults = append(faults, bad...)
		if v := file["data"]; v.from != "" && !given {
			faults.add(v.from, "this file was found in the data directory, so it cannot name another one",
				"move the file elsewhere and name it with --config, or use --data")
		}
	case given || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // the latter is --data's fault
		faults.add(path, "cannot be read: "+cause(err), "--config names a YAML file; deploy/sfu.yaml is an example")
		path = ""
	default:
		path = ""
	}
	config, bad := check(s, secretsFrom(env))
	config.File = path
	if faults = append(faults, bad...); len(faults) > 0 {
		return nil, faults
	}
	return config, nil
}

// cause takes the path out of a file error, because the fault names it already.
func cause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// A kind is what a setting holds.
type kind string

const (
	kindText   kind = ""
	kindList   kind = "list"
	kindNumber kind = "number"
	kindSwitch kind = "switch"
)

func (k kind) what() string {
	return map[kind]string{
		kindText: "text", kindList: "text or a list of texts", kindNumber: "a whole number", kindSwitch: "true or false",
	}[k]
}

// setting is one entry of the schema, read off the flags.
type setting struct {
	name     string
	kind     kind
	fallback string // of the default layer
}

// example is the hint for a value of the wrong kind.
func (s setting) example() string {
	switch s.kind {
	case kindList:
		return "such as " + s.name + ": [first, second]"
	case kindNumber:
		return "such as " + s.name + ": " + s.fallback
	case kindSwitch:
		return "such as " + s.name + ": true"
	}
	return "such as " + s.name + `: "…", in quotes`
}

func schemaOf(serve *kong.Node) (schema []setting) {
	for _, f := range serve.Flags {
		schema = append(schema, setting{name: f.Name, kind: kind(f.Tag.Get("kind")), fallback: f.Default})
	}
	return schema
}

// fileSchema is the schema without config: a file cannot name another one.
func fileSchema(schema []setting) (out []setting) {
	for _, s := range schema {
		if s.name != "config" {
			out = append(out, s)
		}
	}
	return out
}

func findSetting(schema []setting, name string) *setting {
	for i := range schema {
		if schema[i].name == name {
			return &schema[i]
		}
	}
	return nil
}

// value is a setting's raw value and where it was set, in the words of the person who set it.
type value struct {
	words  []string
	from   string
	broken bool // a fault about it was reported; do not report a second one
}

// word is the value of a setting that is not a list.
func (v value) word() string { return strings.Join(v.words, ",") }

// layer holds the settings of one origin.
type layer map[string]value

// stack is the layers, strongest first: flags, environment, file, defaults.
type stack [4]layer

// text finds the strongest value of a setting.
func (s stack) text(name string) value {
	for _, l := range s {
		if v := l[name]; v.from != "" {
			return v
		}
	}
	return value{}
}

func flagLayer(ctx *kong.Context, serve *kong.Node) layer {
	out := layer{}
	for _, p := range ctx.Path {
		if p.Flag == nil || p.Flag.Group == nil {
			continue
		}
		v := value{from: "--" + p.Flag.Name}
		for _, f := range serve.Flags {
			if f != p.Flag {
				continue
			}
			switch x := reflect.ValueOf(ctx.FlagValue(f)); x.Kind() {
			case reflect.Slice:
				for i := range x.Len() {
					v.words = append(v.words, splitList(x.Index(i).String())...)
				}
			default:
				v.words = []string{fmt.Sprint(x.Interface())}
			}
			out[f.Name] = v
		}
	}
	return out
}

// envLayer reads the environment. An empty variable counts as absent: that is how container tools pass on
// variables nobody has set.
func envLayer(schema []setting, env func(string) (string, bool)) layer {
	out := layer{}
	for _, s := range schema {
		text, ok := env(envName(s.name))
		if !ok || text == "" {
			continue
		}
		v := value{words: []string{text}, from: envName(s.name)}
		if s.kind == kindList {
			v.words = splitList(text)
		}
		out[s.name] = v
	}
	return out
}

func defaultLayer(schema []setting, env func(string) (string, bool)) layer {
	out := layer{"data": {words: []string{dataDir(env)}, from: "the default of --data"}}
	for _, s := range schema {
		if s.fallback != "" {
			out[s.name] = value{words: []string{s.fallback}, from: "the default of --" + s.name}
		}
	}
	return out
}

// dataDir follows the XDG base directory specification, which says that a relative path is to be ignored.
func dataDir(env func(string) (string, bool)) string {
	if dir, _ := env("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "castcode")
	}
	if home, _ := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "castcode")
	}
	if dir, _ := env("LOCALAPPDATA"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "castcode")
	}
	return "castcode-data"
}

// envName is the environment variable of a setting.
func envName(name string) string {
	return "CASTCODE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// splitList splits at commas; blanks around and empty parts are dropped.
func splitList(text string) (out []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// envSecrets are the settings whose value comes from the environment or from the file that NAME-file names.
var envSecrets = []string{"turn-secret", "turn-password", "admin-token", "webhook-secret"}

func secretsFrom(env func(string) (string, bool)) map[string]logging.Secret {
	out := map[string]logging.Secret{}
	for _, name := range envSecrets {
		if text, _ := env(envName(name)); text != "" {
			out[name] = logging.Secret(text)
		}
	}
	return out
}

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	// Where it was set: a flag, a variable, or file, line and key.
	Where string
	// What is wrong, without a secret in it.
	What string
	// Hint says what to do.
	Hint string
}

// Faults are all that were found. The text has two lines for each and is meant for people.
type Faults []Fault

func (f *Faults) add(where, what, hint string) { *f = append(*f, Fault{where, what, hint}) }

// Error implements error.
func (f Faults) Error() string {
	var b strings.Builder
	if len(f) == 1 {
		b.WriteString("the configuration has a fault:\n")
	} else {
		fmt.Fprintf(&b, "the configuration has %d faults:\n", len(f))
	}
	for _, x := range f {
		fmt.Fprintf(&b, "\n  %s: %s\n    hint: %s\n", x.Where, x.What, x.Hint)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ExitCode is 2: the person who started the program can repair it.
func (Faults) ExitCode() int { return 2 }

// UsageError is a command line that cannot be understood.
type UsageError struct{ text string }

// Error implements error.
func (e *UsageError) Error() string { return e.text + "\n  hint: sfu --help lists commands and flags" }

// ExitCode is 2, as for Faults.
func (*UsageError) ExitCode() int { return 2 }
