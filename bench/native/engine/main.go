// engine UAPI_FILE ADDRESS MTU LISTEN: a SOCKS5 port (CONNECT to IPv4 literals) on wireguard-go and gVisor's
// TCP, the engine of wireproxy and of tailscale's userspace mode: a peer to measure against. UAPI_FILE holds
// wireguard-go's `set` operation (private_key=… and so on).
package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: engine UAPI_FILE ADDRESS MTU LISTEN")
	}
	settings, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	mtu, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	link, err := newLink(address, mtu)
	if err != nil {
		return err
	}
	wireguard := device.NewDevice(link, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	if err := wireguard.IpcSet(string(settings)); err != nil {
		return err
	}
	if err := wireguard.Up(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", args[3])
	if err != nil {
		return err
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go serve(client.(*net.TCPConn), link)
	}
}

// serve answers one client: greeting, CONNECT, then bytes both ways with half-close.
func serve(client *net.TCPConn, link *link) {
	defer client.Close()
	var b [256]byte
	if _, err := io.ReadFull(client, b[:2]); err != nil || b[0] != 5 {
		return
	}
	if _, err := io.ReadFull(client, b[:b[1]]); err != nil {
		return
	}
	client.Write([]byte{5, 0})
	if _, err := io.ReadFull(client, b[:10]); err != nil || b[1] != 1 || b[3] != 1 {
		return
	}
	target := netip.AddrPortFrom(netip.AddrFrom4(*(*[4]byte)(b[4:8])), uint16(b[8])<<8|uint16(b[9]))
	far, err := link.dial(target)
	if err != nil {
		client.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer far.Close()
	client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	up := make(chan struct{})
	go func() {
		io.Copy(far, client)
		far.CloseWrite()
		close(up)
	}()
	io.Copy(client, far)
	client.CloseWrite()
	<-up
}
