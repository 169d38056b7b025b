/** The page: who is signed in, which environments there are, which one is looked into. */
import { Card } from './card.js'
import { say } from './elements.js'
import { act, Events, signedIn, signIn, signOut } from './gateway.js'

const part = (id) => document.getElementById(id)
const cards = new Map()
let owner = false
/** Name of the environment that is looked into. */
let looked

const events = new Events({
  status: showStatus,
  state: () => {},
  activity: (activity) => cards.get(activity.environment)?.showActivity(activity),
  open: () => say(part('live'), 'Live'),
  lost: () => say(part('live'), 'The gateway does not answer; trying again …'),
  refused: begin,
})

function watch() {
  if (document.hidden) events.close()
  else events.open(owner ? looked : undefined)
}

function showStatus({ version, policy, environments }) {
  say(part('gateway'), `Version ${version}${policy === null ? '' : `, policy port ${policy}`}`)
  const names = new Set(environments.map(({ name }) => name))
  for (const [name, card] of cards) {
    if (names.has(name)) continue
    card.element.remove()
    cards.delete(name)
  }
  const said = environments.map((status, index) => {
    const card = cards.get(status.name) ?? new Card(status.name, { act: press, look })
    cards.set(status.name, card)
    const list = part('environments')
    // Moved only when the order changed: a moved element loses the focus.
    if (list.children[index] !== card.element) list.insertBefore(card.element, list.children[index])
    return card.show(status, owner)
  })
  const news = said.filter((text) => text !== undefined)
  if (news.length > 0) say(part('said'), news.join('. '))
}

/** One environment at a time is looked into. */
function look(name, open) {
  if (open) {
    for (const [other, card] of cards) if (other !== name && card.looked) card.close()
    looked = name
    if (!owner) part('token').focus()
    watch()
  } else if (looked === name) {
    looked = undefined
    watch()
  }
}

async function press(name, action) {
  say(part('said'), `${action} ${name}`)
  try {
    await act(name, action)
  } catch (error) {
    if (error.status === 401) await begin()
    else say(part('said'), `${name}: ${error.message}`)
  }
}

async function begin() {
  try {
    owner = await signedIn()
  } catch {
    owner = false
  }
  part('sign-in').hidden = owner
  part('sign-out').hidden = !owner
  watch()
}

async function give(token) {
  say(part('sign-in-error'), '')
  try {
    await signIn(token)
  } catch (error) {
    say(part('sign-in-error'), error.message)
  }
  part('token').value = ''
  await begin()
}

part('sign-in').addEventListener('submit', (event) => {
  event.preventDefault()
  void give(part('token').value)
})
part('sign-out').addEventListener('click', () => void signOut().then(begin))
document.addEventListener('visibilitychange', watch)

/** `pvpn dashboard` prints an address that brings the token behind the `#`, which is never sent. */
const brought = /^#token=([\w-]+)$/.exec(location.hash)?.[1]
if (brought === undefined) void begin()
else {
  history.replaceState(null, '', location.pathname)
  void give(brought)
}
