package main

import (
	"fmt"
	"go/doc/comment"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// program is the name in usage and error texts.
const program = "sfu"

// helpWidth is the longest line of the help text, in columns.
const helpWidth = 100

// settings are the flags of serve. A flag's name is also its key in the configuration file and, in capitals
// with underscores and CASTCODE_ before it, its environment variable. The values are texts here: config_check.go
// judges them, so that all faults come out at once. The tag kind (list, number, switch) says what the file may
// hold; none is text.
type settings struct {
	Addr           string   `group:"net" default:":8443" placeholder:"[HOST]:PORT" help:"Listen here, TCP and UDP: pages, signaling, media and TURN share this port number."`
	HTTPAddr       string   `group:"net" placeholder:"[HOST]:PORT" help:"Plain HTTP on one more port, such as :80: leads to HTTPS, has the page /ca and answers the challenges of --tls acme."`
	Host           []string `group:"net" kind:"list" placeholder:"NAMES" help:"Names (or addresses) people type to get here. The first one is shown and put into QR codes; without it, the address of this machine is."`
	PublicIP       []string `group:"net" kind:"list" placeholder:"IPS" help:"Public addresses of this machine when it stands behind a 1:1 NAT, as in most clouds. Media and TURN are offered there too."`
	STUNDiscover   []string `name:"stun-discover" group:"net" kind:"list" placeholder:"HOST:PORT" help:"Ask these STUN servers for the public address, again and again; name two to notice a NAT that cannot be used. Off by default: it tells a third party that this server runs."`
	Origins        []string `group:"net" kind:"list" placeholder:"URLS" help:"Further web origins whose pages may use the signaling socket, as https://host[:port]."`
	TrustedProxies []string `group:"net" kind:"list" placeholder:"CIDRS" help:"Proxies in front of this server, as networks. Only they may say by X-Forwarded-For who is calling."`

	TLS          string `group:"tls" default:"local-ca" placeholder:"MODE" help:"Where the certificate comes from: local-ca (an own CA, to be installed on casting devices), acme (Let's Encrypt, for --host), files, or off (a proxy ends TLS)."`
	HTTPDisplays bool   `name:"http-displays" group:"tls" kind:"switch" negatable:"" help:"Serve the pages of displays and viewers over plain HTTP too, on private networks, so that nothing needs to be installed there. Codes travel in clear then."`
	TLSCert      string `group:"tls" placeholder:"FILE" help:"Certificate chain for --tls files, PEM. Read again when it changes."`
	TLSKey       string `group:"tls" placeholder:"FILE" help:"Its private key, PEM, mode 0600."`
	ACMEEmail    string `group:"tls" placeholder:"ADDRESS" help:"Whom the certificate authority may write to, for --tls acme."`

	TURN             string   `group:"turn" default:"on" placeholder:"on|off" help:"Run the TURN server that helps browsers whose network blocks UDP. It reaches only this server."`
	TURNAddr         string   `group:"turn" placeholder:"[HOST]:PORT" help:"One more port for TURN over UDP and TCP, such as :3478, for networks that know TURN by its number."`
	TURNTLSAddr      string   `name:"turn-tls-addr" group:"turn" placeholder:"[HOST]:PORT" help:"One more port for TURN over TLS, such as :5349."`
	TURNSecretFile   string   `group:"turn" placeholder:"FILE" help:"Shared secret for TURN credentials, mode 0600. Made and kept in the data directory when absent."`
	TURNURLs         []string `name:"turn-urls" group:"turn" kind:"list" placeholder:"URLS" help:"Hand out this TURN server instead of the built-in one, as turn:host:port?transport=udp or turns:host:port. It takes the shared secret, or the account below."`
	TURNUsername     string   `group:"turn" placeholder:"NAME" help:"Fixed account on the server of --turn-urls."`
	TURNPasswordFile string   `group:"turn" placeholder:"FILE" help:"Its password, mode 0600."`

	Open          bool   `group:"rooms" kind:"switch" negatable:"" help:"Let everybody in by room name, and native clients without a web origin. For trusted networks and tests. The same as --auth open."`
	Auth          string `group:"rooms" default:"codes" placeholder:"MODE" help:"Who comes into rooms: codes (whoever knows the code or link of a room), tokens (whoever has a join token; sfu token makes them) or open (everybody, by name)."`
	TokenKeysFile string `group:"rooms" placeholder:"FILE" help:"Keys of join tokens, mode 0600 (sfu token keys makes it). Read again when it changes. Without it, join.keys in the data directory is read if it is there."`
	TokenAlg      string `group:"rooms" default:"HS256" placeholder:"ALG" help:"How join tokens have to be signed, HS256 or EdDSA."`
	TokenIssuer   string `group:"rooms" default:"castcode" placeholder:"TEXT" help:"What join tokens have to say under iss."`
	TokenAudience string `group:"rooms" default:"castcode" placeholder:"TEXT" help:"What join tokens have to say under aud."`
	Capacity      string `group:"rooms" kind:"number" default:"500" placeholder:"N" help:"Viewers and displays in one room, at most; 0 for no limit."`

	DisplaysPerAddress string `group:"rooms" kind:"number" default:"20" placeholder:"N" help:"Displays that show a code, from one address (IPv4, or IPv6 /64), at most; 0 for no limit. A building behind one NAT may need more."`
	RoomsPerDay        string `group:"rooms" kind:"number" default:"100" placeholder:"N" help:"New rooms that one address may open in a day; 0 for no limit."`

	Config            string `group:"run" placeholder:"FILE" help:"Read settings from this YAML file. Without it, castcode.yaml in the data directory is read if it is there."`
	Data              string `group:"run" placeholder:"DIR" help:"Where keys and certificates are kept. Default: castcode in $XDG_DATA_HOME or ~/.local/share."`
	AdminAddr         string `group:"run" default:"127.0.0.1:9443" placeholder:"HOST:PORT" help:"Metrics, health and profiles (plain HTTP); off for none. Needs a token when it is not on loopback."`
	AdminTokenFile    string `group:"run" placeholder:"FILE" help:"Bearer token of the admin address, 128 bits or more, mode 0600."`
	WebhookURL        string `name:"webhook-url" group:"run" placeholder:"URL" help:"Post signed events (rooms, casts, who joins and leaves) there. https, or http in a private network."`
	WebhookSecretFile string `group:"run" placeholder:"FILE" help:"The secret that signs them, 128 bits or more, mode 0600."`
	LogLevel          string `group:"run" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFile           string `group:"run" placeholder:"FILE" help:"Log into this file (JSON) instead of to stderr. Opened again on SIGHUP."`
}

// groups are the headings of the help text, in its order.
var groups = []kong.Group{
	{Key: "net", Title: "Network:"},
	{Key: "tls", Title: "Certificate:"},
	{Key: "turn", Title: "TURN:"},
	{Key: "rooms", Title: "Rooms:"},
	{Key: "run", Title: "Running it:"},
}

// cli is what kong parses.
type cli struct {
	ShowVersion bool     `name:"version" help:"Print the version and exit."`
	Serve       settings `cmd:"" default:"withargs" help:"Run the server. This is what happens without a command."`
	Version     struct{} `cmd:"" help:"Print the version and exit."`
}

const helpHead = `Usage: sfu [serve] [flags]

castcode shows one screen on many others: a display shows a code, whoever types it casts there.
`

const helpTail = `
Every flag can also stand in the configuration file (%s)
and in the environment (%s). A flag beats the environment,
the environment beats the file. Secrets come from files or the environment and never from flags:
CASTCODE_TURN_SECRET, CASTCODE_TURN_PASSWORD, CASTCODE_ADMIN_TOKEN, CASTCODE_WEBHOOK_SECRET.

Examples:
  sfu                                           a LAN: open the address it prints
  sfu --host cast.example.org --tls acme --addr :443
                                                a public server with its own certificate
  sfu --tls off --addr :8080 --trusted-proxies 127.0.0.1/32 --host cast.example.org
                                                behind nginx on the same machine
  sfu --public-ip 203.0.113.7                   a cloud machine whose address is translated
`

// printHelp is kong's HelpPrinter. serve has a page of its own, which is also that of the program; other
// commands get kong's.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	selected := ctx.Selected()
	if selected != nil && selected.Name != "serve" {
		options.WrapUpperBound = helpWidth
		return kong.DefaultHelpPrinter(options, ctx)
	}
	_, err := io.WriteString(ctx.Stdout, serveHelp(ctx.Model.Node))
	return err
}

// serveHelp writes the page of the program: flags by group, the other commands, examples.
func serveHelp(app *kong.Node) string {
	var b strings.Builder
	b.WriteString(helpHead)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s\n", g.Title)
		for _, f := range serveNode(app).Flags {
			if f.Group != nil && f.Group.Key == g.Key {
				writeRow(&b, flagLabel(f), flagText(f))
			}
		}
	}
	b.WriteString("\nCommands:\n")
	for _, c := range app.Children {
		writeRow(&b, c.Name, c.Help)
	}
	b.WriteString("\nOther flags:\n")
	writeRow(&b, "-h, --help", "This page, or that of a command.")
	writeRow(&b, "--version", "Print the version and exit.")
	fmt.Fprintf(&b, helpTail, "addr: \":443\"", envName("addr")+"=:443")
	return b.String()
}

func flagLabel(f *kong.Flag) string {
	if f.IsBool() {
		return "--" + f.Name
	}
	return "--" + f.Name + " " + f.PlaceHolder
}

func flagText(f *kong.Flag) string {
	if f.Default == "" {
		return f.Help
	}
	return f.Help + " Default: " + f.Default + "."
}

// helpColumn is where explanations start.
const helpColumn = 29

// writeRow writes a label and its explanation, wrapped to helpWidth; a long label has a line of its own.
func writeRow(b *strings.Builder, label, text string) {
	printer := comment.Printer{TextWidth: helpWidth - helpColumn, TextPrefix: strings.Repeat(" ", helpColumn)}
	doc := comment.Doc{Content: []comment.Block{&comment.Paragraph{Text: []comment.Text{comment.Plain(text)}}}}
	lines := string(printer.Text(&doc))
	if label = "  " + label; len(label) > helpColumn-2 {
		fmt.Fprintf(b, "%s\n%s", label, lines)
		return
	}
	fmt.Fprintf(b, "%-*s%s", helpColumn, label, lines[helpColumn:])
}

// serveNode finds the serve command in kong's model.
func serveNode(app *kong.Node) *kong.Node {
	for _, c := range app.Children {
		if c.Name == "serve" {
			return c
		}
	}
	return app // not reached: cli declares it
}
