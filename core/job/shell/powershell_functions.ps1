# core/job/shell/powershell_functions.ps1 - what every script of powershell.c begins with, for Windows PowerShell 5.1 and
# PowerShell 7, on Windows and elsewhere. embed.py puts it into the program, without comments and indentation.
#
# Paths are absolute and taken as they are, never as patterns. A function of ours that fails ends the script, whatever
# the job's $ErrorActionPreference is: hence the two lines that most begin with.

$flotilla_windows = [IO.Path]::DirectorySeparatorChar -eq '\'

# A line of the log as it is: PowerShell's own way of printing takes colours out and may break lines.
function flotilla_print([string] $line) {
    [Console]::Out.Write($line + "`n")
}

function flotilla_fail([string] $line) {
    [Console]::Error.Write($line + "`n")
    exit 1
}

function flotilla_check([int] $status) {
    if ($status -ne 0) { exit $status }
}

function flotilla_section([string] $name, [string] $text) {
    $now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
    $clear = "$([char] 13)$([char] 27)[0K"
    flotilla_print ('section_start:' + $now + ':' + $name + '[hide_duration=true,collapsed=true]' + $clear + $text)
    flotilla_print ('section_end:' + $now + ':' + $name + $clear)
}

# The program's path; nothing when there is none in PATH. The current directory is not searched.
function flotilla_program([string] $name) {
    $found = @(Get-Command -Name $name -CommandType Application -ErrorAction SilentlyContinue)
    if ($found.Count -gt 0) { $found[0].Path }
}

# One word as a program of Windows, and .NET everywhere, takes a command line apart.
function flotilla_quote([string] $word) {
    '"' + (($word -replace '(\\*)"', '$1$1\"') -replace '(\\+)$', '$1$1') + '"'
}

# Runs a program with exactly these words and this text as its stdin; its status is returned. PowerShell's own way
# loses quotes and empty words in all versions before 7.3, and changes what it pipes.
function flotilla_start([string] $name, [string[]] $words, [string] $text = '') {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    $program = flotilla_program $name
    if (-not $program) {
        [Console]::Error.Write($name + ': is not on this instance, or not in the PATH of its account' + "`n")
        return 127
    }
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = $program
    $start.Arguments = @($words | ForEach-Object { flotilla_quote $_ }) -join ' '
    $start.WorkingDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
    $start.UseShellExecute = $false
    $start.RedirectStandardInput = $true
    $process = [Diagnostics.Process]::Start($start)
    $bytes = [Text.Encoding]::UTF8.GetBytes($text)
    try {
        # The stream itself: the writer above it might begin with a byte order mark.
        $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
        $process.StandardInput.BaseStream.Close()
    } catch {
        # It did not want to read on, which its status tells.
        [void] $_
    }
    $process.WaitForExit()
    $process.ExitCode
}

function flotilla_attributes([string] $path) {
    try { [IO.File]::GetAttributes($path) } catch { $null }
}

function flotilla_is_tree($attributes) {
    ($attributes -band [IO.FileAttributes]::Directory) -and -not ($attributes -band [IO.FileAttributes]::ReparsePoint)
}

# Files of git's are read-only, which keeps Windows from deleting them.
function flotilla_unlock([string] $tree) {
    $pending = New-Object Collections.Stack
    $pending.Push($tree)
    while ($pending.Count -gt 0) {
        foreach ($entry in [IO.Directory]::GetFileSystemEntries($pending.Pop())) {
            $attributes = [IO.File]::GetAttributes($entry)
            if ($attributes -band [IO.FileAttributes]::ReadOnly) {
                [IO.File]::SetAttributes($entry, [IO.FileAttributes]::Normal)
            }
            if (flotilla_is_tree $attributes) { $pending.Push($entry) }
        }
    }
}

# Whatever is there; a link itself, not what it leads to.
function flotilla_remove([string] $path) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    if (-not $flotilla_windows) {
        $script = '[ -L "$1" ] || chmod -R u+rwX -- "$1" 2> /dev/null; rm -rf -- "$1"'
        flotilla_check (flotilla_start 'sh' @('-c', $script, 'sh', $path))
        return
    }
    $attributes = flotilla_attributes $path
    if ($null -eq $attributes) { return }
    if (flotilla_is_tree $attributes) {
        flotilla_unlock $path
        [IO.Directory]::Delete($path, $true)
    } elseif ($attributes -band [IO.FileAttributes]::Directory) {
        [IO.Directory]::Delete($path)
    } else {
        [IO.File]::SetAttributes($path, [IO.FileAttributes]::Normal)
        [IO.File]::Delete($path)
    }
}

function flotilla_directory([string] $path) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    [void] [IO.Directory]::CreateDirectory($path)
}

# For the account, the system and administrators, whose names are translated and whose numbers are not.
function flotilla_protect([string] $path) {
    $access = New-Object Security.AccessControl.DirectorySecurity
    $access.SetAccessRuleProtection($true, $false)
    $account = [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    foreach ($who in @($account, 'S-1-5-18', 'S-1-5-32-544')) {
        $id = New-Object Security.Principal.SecurityIdentifier -ArgumentList $who
        $rule = New-Object Security.AccessControl.FileSystemAccessRule -ArgumentList `
            $id, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow'
        $access.AddAccessRule($rule)
    }
    $folder = New-Object IO.DirectoryInfo -ArgumentList $path
    if ($PSVersionTable.PSVersion.Major -lt 6) { $folder.SetAccessControl($access) }
    else { [IO.FileSystemAclExtensions]::SetAccessControl($folder, $access) }
}

# It is private before anything is in it; its parents, which are the job's, are not. What an earlier job left in its
# place goes: a link would take secrets elsewhere.
function flotilla_private([string] $path) {
    if (-not $flotilla_windows) {
        $script = '[ -d "$1" ] && [ ! -L "$1" ] || rm -rf -- "$1"; mkdir -p -m 700 -- "$1"'
        flotilla_check (flotilla_start 'sh' @('-c', $script, 'sh', $path))
        return
    }
    if (-not (flotilla_is_tree (flotilla_attributes $path))) { flotilla_remove $path }
    flotilla_directory $path
    flotilla_protect $path
}

# Which process this is: on Windows with the time of its birth; elsewhere as bash.c notes it, whose script stops it.
function flotilla_note([string] $directory) {
    $file = $directory + '/stage.pid'
    flotilla_remove $file
    if ($flotilla_windows) {
        $more = (Get-Process -Id $PID).StartTime.ToUniversalTime().Ticks
    } elseif ([IO.File]::Exists('/proc/self/stat')) {
        $more = [IO.File]::ReadAllText('/proc/self/stat') -replace '^.*\) ', ''
    } else {
        $more = ''
    }
    [IO.File]::WriteAllText($file, ([string] $PID + ' ' + $more).Trim() + "`n")
}

function flotilla_begin([string] $directory) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    flotilla_private $directory
    flotilla_note $directory
}

# .NET's own current directory is another one.
function flotilla_cd([string] $path) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    Set-Location -LiteralPath $path
    [Environment]::CurrentDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
}

function flotilla_write([string] $file, [byte[]] $bytes) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail $_ }
    [IO.File]::WriteAllBytes($file, $bytes)
}

# KEY=VALUE a line, in UTF-8 or in what its byte order mark says: `>>` of Windows PowerShell writes UTF-16.
function flotilla_load_env([string] $file) {
    $ErrorActionPreference = 'Stop'
    trap { flotilla_fail ('Unable to read env file: ' + $_) }
    $env:GITLAB_ENV = $file
    if (-not [IO.File]::Exists($file)) { [IO.File]::WriteAllText($file, '') }
    foreach ($line in [IO.File]::ReadAllLines($file)) {
        $name, $value = $line.Trim() -split '=', 2
        if ($line.Trim() -eq '') { continue }
        if ($name -notmatch '^[A-Za-z_][A-Za-z0-9_]*$' -or $null -eq $value) { throw ('no NAME=VALUE: ' + $line) }
        [Environment]::SetEnvironmentVariable($name, $value)
    }
}

# The environment as it is, while these names are taken out of it; and back to that.
function flotilla_hide([string[]] $names) {
    [Environment]::GetEnvironmentVariables()
    foreach ($name in $names) { [Environment]::SetEnvironmentVariable($name, [NullString]::Value) }
}

function flotilla_show([Collections.IDictionary] $kept) {
    foreach ($name in @([Environment]::GetEnvironmentVariables().Keys)) {
        if (-not $kept.Contains($name)) { [Environment]::SetEnvironmentVariable($name, [NullString]::Value) }
    }
    foreach ($name in @($kept.Keys)) { [Environment]::SetEnvironmentVariable($name, $kept[$name]) }
}

# Text for sh: an alias of git is a command for the sh that git has with it. Git looks for a repository around the
# directory it is started in, where there must be none.
function flotilla_sh([string] $directory, [byte[]] $text, [bool] $needs_git) {
    if (-not (flotilla_program 'git')) {
        if ($needs_git) { flotilla_fail 'git: is not on this instance, or not in the PATH of its account' }
        return
    }
    $file = $directory + '/git-stage.sh'
    flotilla_remove ($directory + '/.git')
    flotilla_remove $file
    flotilla_write $file $text
    $env:GIT_CEILING_DIRECTORIES = $directory.Substring(0, $directory.LastIndexOf('/'))
    Push-Location -LiteralPath $directory
    $status = flotilla_start 'git' @('-c', 'alias.flotilla-stage=!sh', 'flotilla-stage', $file)
    Pop-Location
    flotilla_remove $file
    flotilla_check $status
}

# On a line of its own: the first of the programs that answers, and what kind of machine this is.
function flotilla_find([string[]] $names) {
    # In Windows PowerShell a line on stderr would be an error.
    $ErrorActionPreference = 'Continue'
    $found = 'none'
    foreach ($name in $names) {
        $program = flotilla_program $name
        if (-not $program) { continue }
        & $program --version *> $null
        if ($LASTEXITCODE -eq 0) {
            $found = $name
            break
        }
    }
    if ($flotilla_windows) {
        $machine = 'Windows ' + $env:PROCESSOR_ARCHITECTURE
    } else {
        $machine = [string] (& uname -s) + ' ' + [string] (& uname -m)
    }
    flotilla_print ("`n" + $found + ' ' + $machine)
}

# Where the login led, with slashes, on a line of its own.
function flotilla_where() {
    $path = (Get-Location -PSProvider FileSystem).ProviderPath
    if ($flotilla_windows) { $path = $path.Replace('\', '/') }
    flotilla_print ("`n" + $path)
}

# Those that live of the noted process and of all that descend from it: ids with their times of birth. `$known` has
# them all, the dead, too, so that their children are found. An id may have had another owner before: a child is
# younger than its parent. Times are told more or less finely.
function flotilla_living([hashtable] $known) {
    $wanted = @('ProcessId', 'ParentProcessId', 'CreationDate')
    $all = @(Get-CimInstance -ClassName Win32_Process -Property $wanted | Where-Object { $_.CreationDate })
    do {
        $before = $known.Count
        foreach ($process in $all) {
            $born = $process.CreationDate.ToUniversalTime().Ticks
            $parent = [string] $process.ParentProcessId
            if ($known.ContainsKey($parent) -and $born -ge $known[$parent] - 10000) {
                $known[[string] $process.ProcessId] = $born
            }
        }
    } while ($known.Count -gt $before)
    foreach ($process in $all) {
        $id = [string] $process.ProcessId
        $born = $process.CreationDate.ToUniversalTime().Ticks
        if ($known.ContainsKey($id) -and [Math]::Abs($born - $known[$id]) -lt 10000) { $id }
    }
}

# Ends all of them, and proves it: 0 only when none is left.
function flotilla_stop([string] $directory) {
    $file = $directory + '/stage.pid'
    if (-not [IO.File]::Exists($file)) { exit 0 }
    $id, $born = [IO.File]::ReadAllText($file).Trim() -split ' '
    $known = @{ $id = [long] $born }
    for ($tries = 0; $tries -lt 60; $tries++) {
        $living = @(flotilla_living $known)
        if ($living.Count -eq 0) { exit 0 }
        foreach ($one in $living) { Stop-Process -Id $one -Force -ErrorAction SilentlyContinue }
        Start-Sleep -Milliseconds 100
    }
    exit 1
}
