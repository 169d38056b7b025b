/**
 * Completion of `pvpn-wrap ENVIRONMENT COMMAND…`: environments, then commands of PATH, then what the
 * shell knows of that command itself.
 */

/** Options that take a value, which the shells step over. */
const WITH_VALUE = ['--via', '--wait', '--host-port'] as const
const SWITCHES = ['-v', '--verbose', '-h', '--help'] as const
const WAYS = 'auto netns preload'

/** `ask` prints the names of the environments. The outer shell is bash with or without bash-completion. */
export function bashWrap(ask: string): string {
  return `_pvpn_wrap() {
    local cur=\${COMP_WORDS[COMP_CWORD]} i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in
            ${WITH_VALUE.join('|')}) ((i++)) ;;
            -*|=) ;;
            *) break ;;
        esac
    done
    if ((i > COMP_CWORD)); then
        if [[ \${COMP_WORDS[COMP_CWORD-1]} == --via ]]; then
            COMPREPLY=($(compgen -W "${WAYS}" -- "$cur"))
        fi
    elif ((i == COMP_CWORD)); then
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "${[...WITH_VALUE, ...SWITCHES].join(' ')}" -- "$cur"))
        else
            COMPREPLY=($(compgen -W "$(${ask})" -- "$cur"))
        fi
    elif declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
    elif ((i + 1 == COMP_CWORD)); then
        COMPREPLY=($(compgen -c -- "$cur"; compgen -f -- "$cur"))
    else
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -F _pvpn_wrap pvpn-wrap
`
}

/** The function `_pvpn_wrap`. */
export function zshWrap(ask: string): string {
  return `_pvpn_wrap() {
    local curcontext=$curcontext state line
    local -A opt_args
    _arguments -S -C \\
        '--via[how]:way:(${WAYS})' \\
        '--wait[how long the environment may take to be up]:seconds: ' \\
        '*--host-port[a port of 127.0.0.1 to be reached inside]:port: ' \\
        '(-v --verbose)'{-v,--verbose}'[says what was chosen]' \\
        '(- *)'{-h,--help}'[shows help]' \\
        '(-)1:environment:->environment' \\
        '*:::command:_normal'
    [[ $state != environment ]] || compadd -- \${(f)"$(${ask})"}
}
`
}

export function fishWrap(ask: string): string {
  const options = WITH_VALUE.join(' ')
  const first = "-n 'not __pvpn_wrap_words | string length -q'"
  return `function __pvpn_wrap_words -d 'environment and command, without options of pvpn-wrap'
    set -l words (commandline -opc)[2..-1]
    while string match -q -- '-*' "$words[1]"
        contains -- $words[1] ${options}; and set -e words[1]
        set -e words[1]
    end
    printf '%s\\n' $words
end
function __pvpn_wrap_command -d 'what the command itself takes'
    set -l words (string escape -- (__pvpn_wrap_words)[2..-1])
    set -l typed (commandline -ct)
    complete -C (string join ' ' -- $words "$typed")
end
complete -c pvpn-wrap -f
complete -c pvpn-wrap ${first} -a '(${ask})'
complete -c pvpn-wrap ${first} -l via -x -a '${WAYS}' -d how
complete -c pvpn-wrap ${first} -l wait -x -d 'seconds until it must be up'
complete -c pvpn-wrap ${first} -l host-port -x -d 'a port of 127.0.0.1 to be reached inside'
complete -c pvpn-wrap ${first} -s v -l verbose -d 'says what was chosen'
complete -c pvpn-wrap ${first} -s h -l help -d help
complete -c pvpn-wrap -n '__pvpn_wrap_words | string length -q' -x -a '(__pvpn_wrap_command)'
`
}
