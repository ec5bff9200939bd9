# packaging/completion/flotilla.fish - completion for fish. It knows nothing of its own: commands, options and their
# values are those that `flotilla --help` and `flotilla COMMAND --help` tell.

function __flotilla_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    if test (count $words) -eq 1
        $words[1] --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*)  +(.*)$' '$1\t$2'
        return
    end
    set -l help ($words[1] $words[2] --help 2>/dev/null)
    set -l value
    if string match -q -- '--*' $words[-1]
        set value (string match -r -- "$words[-1](?: [^] ]+)?" $help | string replace -- $words[-1] '' | string trim)[1]
    end
    if string match -q -- '*DIR*' "$value"
        __fish_complete_directories "$current"
    else if string match -qr -- '[A-Z]' "$value"
        __fish_complete_path "$current"
    else if test -n "$value"
        string split '|' -- $value
    else if string match -q -- '-*' "$current"
        echo --help
        string match -ra -- '--[a-z][a-z-]*' $help | sort -u
        string replace -rf '^  (--[a-z][a-z-]*)(?: [^ ]+)?  ?(.*)$' '$1\t$2' -- $help
    else
        if test (count $words) -eq 2
            string match -rg -- "flotilla $words[2] ([a-z][a-z-]*)" $help
        end
        __fish_complete_path "$current"
    end
end

complete -c flotilla -f -a '(__flotilla_complete)'
