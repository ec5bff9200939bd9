# core/job/shell/powershell_archives.ps1 - artifacts and caches by what .NET has, for an instance that has no helper and
# can be given none: behind powershell_functions.ps1, in the scripts that pack and unpack (powershell.c).
#
# stdout is the archive's way out and stdin its way in, so that nothing here prints but by flotilla_tell.

# What people read while stdout is a stream.
function flotilla_tell([string] $line) {
    [Console]::Error.Write($line + "`n")
}

# All that is below the current directory, by names with slashes; links are not followed.
function flotilla_names() {
    $root = (Get-Location -PSProvider FileSystem).ProviderPath.TrimEnd('\', '/') + '/'
    $pending = New-Object Collections.Stack
    $pending.Push($root)
    while ($pending.Count -gt 0) {
        foreach ($entry in [IO.Directory]::GetFileSystemEntries($pending.Pop())) {
            $entry.Substring($root.Length).Replace('\', '/')
            if (flotilla_is_tree ([IO.File]::GetAttributes($entry))) { $pending.Push($entry) }
        }
    }
}

# The names of what is to be packed, in their order; each pattern comes with its regular expression.
function flotilla_select([string[]] $patterns, [string[]] $wanted, [string[]] $excluded, [string[]] $unwanted, [bool] $untracked) {
    $all = @(flotilla_names)
    $chosen = New-Object 'Collections.Generic.HashSet[string]'
    for ($at = 0; $at -lt $patterns.Length; $at++) {
        $found = @($all -cmatch $wanted[$at])
        if ($found.Count -gt 0) {
            flotilla_tell ($patterns[$at] + ': found ' + $found.Count + ' matching artifact files and directories')
        } else {
            flotilla_tell ('WARNING: ' + $patterns[$at] + ': no matching files')
        }
        foreach ($name in $found) { [void] $chosen.Add($name) }
    }
    if ($untracked) {
        $found = @(& git -c core.quotePath=false ls-files -o)
        flotilla_tell ('untracked: found ' + $found.Count + ' files')
        foreach ($name in $found) { [void] $chosen.Add($name) }
    }
    for ($at = 0; $at -lt $excluded.Length; $at++) {
        $found = @(@($chosen) -cmatch $unwanted[$at])
        flotilla_tell ($excluded[$at] + ': excluded ' + $found.Count + ' files')
        foreach ($name in $found) { [void] $chosen.Remove($name) }
    }
    $names = [string[]] @($chosen)
    [Array]::Sort($names, [StringComparer]::Ordinal)
    $names
}

function flotilla_copy([string] $name, [IO.Stream] $to) {
    $from = [IO.File]::OpenRead($name)
    $from.CopyTo($to)
    $from.Close()
}

function flotilla_zip([string] $file, [string[]] $names) {
    Add-Type -AssemblyName System.IO.Compression
    $out = [IO.File]::Create($file)
    $zip = New-Object IO.Compression.ZipArchive -ArgumentList $out, ([IO.Compression.ZipArchiveMode]::Create)
    foreach ($name in $names) {
        if ([IO.Directory]::Exists($name)) {
            [void] $zip.CreateEntry($name + '/')
            continue
        }
        $entry = $zip.CreateEntry($name)
        $written = [IO.File]::GetLastWriteTime($name)
        if ($written.Year -ge 1980) { $entry.LastWriteTime = [DateTimeOffset] $written }
        $to = $entry.Open()
        flotilla_copy $name $to
        $to.Close()
    }
    $zip.Dispose()
}

# Each file as a member of its own.
function flotilla_gzip([string] $file, [string[]] $names) {
    $out = [IO.File]::Create($file)
    foreach ($name in $names) {
        $mode = [IO.Compression.CompressionMode]::Compress
        $to = New-Object IO.Compression.GZipStream -ArgumentList $out, $mode, $true
        flotilla_copy $name $to
        $to.Close()
    }
    $out.Close()
}

# A line and a file to stdout, byte for byte.
function flotilla_send([string] $line, [string] $file) {
    $out = [Console]::OpenStandardOutput()
    $bytes = [Text.Encoding]::UTF8.GetBytes($line + "`n")
    $out.Write($bytes, 0, $bytes.Length)
    flotilla_copy $file $out
    $out.Flush()
}

# What is left of stdin; returns its length.
function flotilla_receive([string] $file) {
    $out = [IO.File]::Create($file)
    [Console]::OpenStandardInput().CopyTo($out)
    $out.Length
    $out.Close()
}

function flotilla_upload([string] $file, [string] $line, [string] $format, [string[]] $names) {
    if ($names.Length -eq 0) {
        flotilla_tell 'ERROR: No files to upload'
        return
    }
    $files = @($names | Where-Object { [IO.File]::Exists($_) })
    if ($format -eq 'raw') {
        if ($files.Count -ne 1) { flotilla_fail 'only one file can be sent as raw' }
        flotilla_send $line $files[0]
        return
    }
    if ($format -eq 'gzip') { flotilla_gzip $file $files } else { flotilla_zip $file $names }
    flotilla_send $line $file
    flotilla_remove $file
}

# The archive is made anew where something in it is newer.
function flotilla_keep([string] $file, [bool] $sends, [string[]] $names) {
    if ($names.Length -eq 0) {
        flotilla_tell 'WARNING: No files to cache.'
        return
    }
    $made = -not [IO.File]::Exists($file)
    foreach ($name in $names) {
        $made = $made -or [IO.File]::GetLastWriteTimeUtc($name) -gt [IO.File]::GetLastWriteTimeUtc($file)
    }
    if ($made) {
        flotilla_directory ($file.Substring(0, $file.LastIndexOf('/')))
        flotilla_zip ($file + '.new') $names
        flotilla_remove $file
        [IO.File]::Move($file + '.new', $file)
    }
    if ($sends) {
        $info = New-Object IO.FileInfo -ArgumentList $file
        $modified = ([DateTimeOffset] $info.LastWriteTimeUtc).ToUnixTimeSeconds()
        $told = '{"size":' + $info.Length + ',"modified":' + $modified + ',"made":' + "$made".ToLower() + '}'
        flotilla_send $told $file
    }
}

# Nothing lands outside of the current directory, and nothing is written through a link.
function flotilla_place([string] $root, [string] $name) {
    $path = [IO.Path]::GetFullPath([IO.Path]::Combine($root, $name))
    if (-not $path.StartsWith($root + [IO.Path]::DirectorySeparatorChar, [StringComparison]::Ordinal)) {
        throw ($name + ' cannot be extracted outside of chroot (' + $root + ')')
    }
    $above = [IO.Path]::GetDirectoryName($path)
    while ($above.Length -gt $root.Length) {
        $attributes = flotilla_attributes $above
        if ($null -ne $attributes -and ($attributes -band [IO.FileAttributes]::ReparsePoint)) {
            throw ($name + ' cannot be extracted through a link')
        }
        $above = [IO.Path]::GetDirectoryName($above)
    }
    $path
}

function flotilla_unzip([string] $file) {
    Add-Type -AssemblyName System.IO.Compression
    Add-Type -AssemblyName System.IO.Compression.FileSystem
    $root = [IO.Path]::GetFullPath((Get-Location -PSProvider FileSystem).ProviderPath).TrimEnd('\', '/')
    $zip = [IO.Compression.ZipFile]::OpenRead($file)
    foreach ($entry in $zip.Entries) {
        $path = flotilla_place $root ($entry.FullName.TrimEnd('/'))
        if ($entry.FullName.EndsWith('/')) {
            flotilla_directory $path
            continue
        }
        flotilla_directory ([IO.Path]::GetDirectoryName($path))
        flotilla_remove $path
        [IO.Compression.ZipFileExtensions]::ExtractToFile($entry, $path, $true)
    }
    $zip.Dispose()
}

function flotilla_download([string] $file) {
    [void] (flotilla_receive $file)
    flotilla_unzip $file
    flotilla_remove $file
}

# Nothing on stdin: what is on the instance is taken.
function flotilla_restore([string] $file) {
    flotilla_directory ($file.Substring(0, $file.LastIndexOf('/')))
    if ((flotilla_receive ($file + '.new')) -gt 0) {
        flotilla_remove $file
        [IO.File]::Move($file + '.new', $file)
    } else {
        flotilla_remove ($file + '.new')
    }
    if (-not [IO.File]::Exists($file)) {
        flotilla_tell 'WARNING: Cache file does not exist'
        exit 1
    }
    flotilla_unzip $file
}
