#!/usr/bin/env pwsh
# The sample of people.py in PowerShell: people with their contracts out of two CSV files, as one JSON list.
# -Depth must reach the contracts; @($people) as -InputObject stays a list when there is one person.
param([Parameter(Mandatory)] [string] $Folder)
$ErrorActionPreference = 'Stop'

$contracts = Import-Csv -Path (Join-Path $Folder 'contracts.csv') | Group-Object -Property EmployeeId -AsHashTable -AsString
$people = foreach ($person in Import-Csv -Path (Join-Path $Folder 'people.csv')) {
    $own = if ($contracts) { @($contracts[$person.ExternalId]) } else { @() }
    [PSCustomObject] @{
        ExternalId  = $person.ExternalId
        DisplayName = $person.DisplayName
        GivenName   = $person.GivenName
        FamilyName  = $person.FamilyName
        Email       = $person.Email
        Contracts   = @($own | Where-Object { $_ } | Select-Object -Property * -ExcludeProperty EmployeeId)
    }
}
ConvertTo-Json -InputObject @($people) -Depth 10 -Compress
