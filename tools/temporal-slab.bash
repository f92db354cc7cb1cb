# bash completion for temporal-slab(1). What it offers is read off --help, and so is always what there is.

_temporal_slab() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} i
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "--help --version $(temporal-slab --help | sed -nE 's/^  ([a-z]+) .*/\1/p')" -- "$word")
        return
    fi
    if [[ $command == run || $command == fit ]]; then
        # Behind the program's name everything is the program's.
        for ((i = 2; i < COMP_CWORD; i++)); do
            if [[ ${COMP_WORDS[i]} == -- ]]; then
                if ((COMP_CWORD == i + 1)); then
                    mapfile -t COMPREPLY < <(compgen -c -- "$word")
                else
                    mapfile -t COMPREPLY < <(compgen -f -- "$word")
                fi
                return
            fi
        done
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(temporal-slab "$command" --help | grep -oE '^  (-[a-z], )?--[a-z-]+' | grep -oE -- '-[a-z-]+')" -- "$word")
        return
    fi
    case $command in
    stat | trim | profile)
        mapfile -t COMPREPLY < <(compgen -W "$(temporal-slab list | sed -nE 's/^ *([0-9]+) .*/\1/p')" -- "$word")
        if ((${#COMPREPLY[@]} > 0)); then return; fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -o filenames -F _temporal_slab temporal-slab
