/** udp-echo PORT ADDRESS…: sends every datagram back. A program, so that it runs in a namespace; prints `ready`. */
import { createSocket } from 'node:dgram'

const [port, ...addresses] = process.argv.slice(2)
let waiting = addresses.length
for (const address of addresses) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address))
  socket.bind(Number(port), address, () => {
    if (--waiting === 0) process.stdout.write('ready\n')
  })
}
