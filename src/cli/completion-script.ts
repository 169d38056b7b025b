/** Completion scripts for the shells. Names of commands and options are plain words: no quoting is needed. */
import { bashWrap, fishWrap, zshWrap } from './wrap-completion.js'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Given words, environments (asked for at run time), files, or nothing that could be known. */
type Values = readonly string[] | 'environment' | 'file' | 'none'

export interface CommandWords {
  readonly name: string
  readonly summary: string
  readonly options: readonly {
    readonly words: readonly string[]
    /** Undefined: a switch. */
    readonly values: Values | undefined
  }[]
  /** What the first argument can be. */
  readonly first: Values
}

const ASK = 'pvpn completion --environments 2>/dev/null'

export function writeScript(shell: Shell, commands: readonly CommandWords[]): string {
  switch (shell) {
    case 'bash':
      return bash(commands)
    case 'zsh':
      return zsh(commands)
    case 'fish':
      return fish(commands)
  }
}

function words(command: CommandWords): string {
  return command.options.flatMap((option) => option.words).join(' ')
}

/** Options that take given words, as shell patterns: `--shell`. */
function valueCases(command: CommandWords, line: (values: Values) => string): readonly string[] {
  return command.options
    .filter((option) => option.values !== undefined)
    .map(({ words: names, values }) => {
      return `        ${names.map((name) => `${command.name}:${name}`).join('|')}) ${line(values ?? [])} ;;`
    })
}

function bash(commands: readonly CommandWords[]): string {
  const reply = (values: Values): string => {
    if (values === 'none') return ':'
    if (values === 'file') return 'COMPREPLY=($(compgen -f -- "$cur"))'
    const list = values === 'environment' ? `$(${ASK})` : values.join(' ')
    return `COMPREPLY=($(compgen -W "${list}" -- "$cur"))`
  }
  return `# bash completion for pvpn
_pvpn() {
    local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in
            --log-level) ((i++)) ;;
            -*) ;;
            *) command=\${COMP_WORDS[i]}; break ;;
        esac
    done
    if [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')} --help --version" -- "$cur"))
        return
    fi
    case $command:$prev in
${commands.flatMap((command) => valueCases(command, (values) => `${reply(values)}; return`)).join('\n')}
    esac
    case $command:$cur in
${commands.map((command) => `        ${command.name}:-*) COMPREPLY=($(compgen -W "${words(command)}" -- "$cur")) ;;`).join('\n')}
${commands.map((command) => `        ${command.name}:*) ${reply(command.first)} ;;`).join('\n')}
    esac
}
complete -o filenames -F _pvpn pvpn
${bashWrap(ASK)}`
}

function zsh(commands: readonly CommandWords[]): string {
  const add = (values: Values): string => {
    if (values === 'none') return ':'
    if (values === 'file') return '_files'
    return `compadd -- ${values === 'environment' ? `\${(f)"$(${ASK})"}` : values.join(' ')}`
  }
  const described = commands.map(
    ({ name, summary }) => `'${name}:${summary.replaceAll("'", "'\\''")}'`,
  )
  return `#compdef pvpn pvpn-wrap
# zsh completion for pvpn
${zshWrap(ASK)}
_pvpn() {
    if [[ $service == pvpn-wrap ]]; then
        _pvpn_wrap "$@"
        return
    fi
    local command= i
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
            --log-level) ((i++)) ;;
            -*) ;;
            *) command=$words[i]; break ;;
        esac
    done
    if [[ -z $command ]]; then
        local -a commands=(
            ${described.join('\n            ')}
        )
        _describe command commands
        return
    fi
    case $command:$words[CURRENT-1] in
${commands.flatMap((command) => valueCases(command, (values) => `${add(values)}; return`)).join('\n')}
    esac
    case $command:$words[CURRENT] in
${commands.map((command) => `        ${command.name}:-*) compadd -- ${words(command)} ;;`).join('\n')}
${commands.map((command) => `        ${command.name}:*) ${add(command.first)} ;;`).join('\n')}
    esac
}
if [[ $funcstack[1] == _pvpn ]]; then
    _pvpn "$@"
else
    compdef _pvpn pvpn pvpn-wrap
fi
`
}

function fish(commands: readonly CommandWords[]): string {
  const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
  const values = (list: Values): string => {
    if (list === 'none') return '-f'
    if (list === 'file') return '-F'
    return `-f -a ${list === 'environment' ? `'(${ASK})'` : quoted(list.join(' '))}`
  }
  const lines = ['# fish completion for pvpn', 'complete -c pvpn -f']
  for (const { name, summary, options, first } of commands) {
    lines.push(`complete -c pvpn -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`)
    const seen = `-n '__fish_seen_subcommand_from ${name}'`
    lines.push(`complete -c pvpn ${seen} ${values(first)}`)
    for (const option of options) {
      const names = option.words.map((word) =>
        word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`,
      )
      const argument = option.values === undefined ? '' : ` -r ${values(option.values)}`
      lines.push(`complete -c pvpn ${seen} ${names.join(' ')}${argument}`)
    }
  }
  return `${lines.join('\n')}\n${fishWrap(ASK)}`
}
