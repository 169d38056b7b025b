/** Users and groups of this host by number, from /etc/passwd and /etc/group (read again when they change). */
import { readFileSync, statSync } from 'node:fs'

export class Accounts {
  readonly #passwd: Table
  readonly #group: Table

  constructor(passwd = '/etc/passwd', group = '/etc/group') {
    this.#passwd = new Table(passwd)
    this.#group = new Table(group)
  }

  /** Every way to say this user: its names, and its number. */
  userNames(uid: number): readonly string[] {
    const id = String(uid)
    const names = this.#passwd.rows().filter((row) => row[2] === id)
    return [...names.map((row) => row[0] ?? ''), id]
  }

  /** Of a name, or a number as text. */
  uid(user: string): number | undefined {
    const row = this.#passwd.rows().find((row) => row[0] === user)
    if (row !== undefined) return Number(row[2])
    return /^[0-9]{1,10}$/.test(user) ? Number(user) : undefined
  }

  /** Every way to say these groups. */
  groupNames(gids: readonly number[]): readonly string[] {
    const ids = gids.map(String)
    const names = this.#group.rows().filter((row) => ids.includes(row[2] ?? ''))
    return [...names.map((row) => row[0] ?? ''), ...ids]
  }

  /** Groups that the files give to a user: what is known where its process can't be seen. */
  groupsOf(uid: number): readonly number[] {
    const id = String(uid)
    const accounts = this.#passwd.rows().filter((row) => row[2] === id)
    const names = new Set(accounts.map((row) => row[0] ?? ''))
    const member = this.#group
      .rows()
      .filter((row) => (row[3] ?? '').split(',').some((name) => names.has(name)))
    return [...accounts.map((row) => Number(row[3])), ...member.map((row) => Number(row[2]))]
  }
}

/** A file of colon-separated rows. */
class Table {
  readonly #path: string
  #version = ''
  #rows: readonly (readonly string[])[] = []

  constructor(path: string) {
    this.#path = path
  }

  rows(): readonly (readonly string[])[] {
    try {
      const { mtimeMs, ino, size } = statSync(this.#path)
      const version = `${mtimeMs} ${ino} ${size}`
      if (version !== this.#version) {
        const lines = readFileSync(this.#path, 'utf8').split('\n')
        this.#rows = lines.filter((line) => line.includes(':')).map((line) => line.split(':'))
        this.#version = version
      }
    } catch {
      this.#rows = []
      this.#version = ''
    }
    return this.#rows
  }
}
