// Package linksim makes networks for tests: network namespaces, and links between them that delay, lose, reorder and
// duplicate packets or carry only so much. Some kernels come without an impairment queue, so a link is a TUN device
// at each end with this process between them, and what a link does is decided by a seeded generator: a test that
// names its seed has the same losses every time.
//
//	lab := linksim.New(t)
//	server, viewer := lab.Namespace("server"), lab.Namespace("viewer")
//	link := lab.Link(server, viewer, linksim.Conditions{Delay: 20 * time.Millisecond, Loss: 0.02}, linksim.Conditions{})
//	err := server.Do(func() error { /* sockets opened here belong to server, whoever uses them later */ })
//
// Links and cables carry IPv4 and IPv6. Programs in a namespace find hosts by name if they are told of them (Hosts). A namespace may be a router with nft rules, hide what is behind it by NAT, symmetric
// or not, and have an address of its devices taken away or their packets cut short.
//
// Everything is taken down when the test ends. Namespaces carry the process id in their names, so that those of a test
// that was killed are found and removed by the next one. Without root a test is skipped, or fails where CI=true.
//
// It is for Linux, and for tests alone.
package linksim
