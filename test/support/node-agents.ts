/**
 * node-agents PORT URL…: `node:http` as a client of a proxy, in the ways that agent packages use it.
 * Prints the bodies as JSON: by absolute-form requests, by CONNECT, and by absolute-form requests on
 * one kept-alive connection.
 */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'

const port = Number(process.argv[2])
const urls = process.argv.slice(3)

async function body(sent: ClientRequest): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end()
  })
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}

function absolute(url: string, agent?: Agent): Promise<string> {
  const { host } = new URL(url)
  const options = { host: '127.0.0.1', port, path: url, headers: { host } }
  return body(request(agent === undefined ? options : { ...options, agent }))
}

async function tunnelled(url: string): Promise<string> {
  const { host, hostname } = new URL(url)
  const connect = request({ host: '127.0.0.1', port, method: 'CONNECT', path: `${hostname}:80` })
  const socket = await new Promise<Socket>((resolve, reject) => {
    connect.once('connect', (response, socket) => {
      if (response.statusCode === 200) resolve(socket)
      else reject(new Error(`CONNECT: ${response.statusCode}`))
    })
    connect.once('error', reject).end()
  })
  return await body(request({ createConnection: () => socket, path: '/', headers: { host } }))
}

async function main(): Promise<void> {
  const kept: string[] = []
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (const url of urls) kept.push(await absolute(url, agent))
  agent.destroy()
  const result = {
    absolute: await Promise.all(urls.map((url) => absolute(url))),
    connect: await Promise.all(urls.map(tunnelled)),
    'kept-alive': kept,
  }
  process.stdout.write(JSON.stringify(result))
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${String(thrown)}\n`)
  process.exitCode = 1
})
