# packaging/completion/flotilla.bash - completion for bash. It knows nothing of its own: commands, options and their
# values are those that `flotilla --help` and `flotilla COMMAND --help` tell.

_flotilla()
{
    local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]} help value words line

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$current")
        return
    fi
    help=$("$program" "$command" --help 2>/dev/null)
    if [ "$previous" = = ]; then # --option=value
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    elif [ "$current" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 1]} current=
    fi
    if [[ $previous == --* ]]; then
        while read -r line; do
            if [[ $line =~ $previous(\ ([^] ]+))? ]]; then
                value=${BASH_REMATCH[2]}
                break
            fi
        done <<<"$help"
    fi
    case $value in
        *DIR*)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            ;;
        *[A-Z]*)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        ?*) mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$current") ;;
        *)
            words=$(grep -o -e '--[a-z][a-z-]*' <<<"$help" | sort -u)
            if [ "$COMP_CWORD" -eq 2 ]; then
                words+=" "$(sed -n "s/^.*flotilla $command \([a-z][a-z-]*\).*/\1/p" <<<"$help")
            fi
            mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$current")
            case $current in
                -*) ;;
                *)
                    compopt -o filenames
                    mapfile -O "${#COMPREPLY[@]}" -t COMPREPLY < <(compgen -f -- "$current")
                    ;;
            esac
            ;;
    esac
}

complete -F _flotilla flotilla
