// What the function needs in Azure, in the form of Microsoft's Flex Consumption quick start for azd, with its
// modules in its versions (github.com/Azure-Samples/functions-quickstart-python-http-azd), and a vault beside
// them. `azd provision` makes it; docs/deploy.md goes through it.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('The azd environment: it names the resource group and makes the other names unique.')
param environmentName string

@description('A region with Flex Consumption; `az functionapp list-flexconsumption-locations` lists them.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Who may write secrets into the vault: whoever runs azd. Empty for nobody.')
param principalId string = ''

@description('Secrets that the vault keeps. Each is an app setting of the same name, which refers to the vault.')
param secretNames string[] = [{% for name in cookiecutter.__secrets.split(",") if name %}{{ "\n  '" ~ name ~ "'" }}{% endfor %}{{ "\n" if cookiecutter.__secrets }}]

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var packages = 'app-package'
var vaultName = 'kv-${token}'

// The runtime takes a secret that Fivetran does not send from the app setting of its name. Names in a vault
// have hyphens where those of app settings have underscores.
var vaultReferences = toObject(
  secretNames,
  name => name,
  name => '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=${replace(name, '_', '-')})'
)

resource group 'Microsoft.Resources/resourceGroups@2021-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

// The function's identity: it reads its package, its keys and its secrets with it, and writes its telemetry.
module identity 'br/public:avm/res/managed-identity/user-assigned-identity:0.4.1' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-${token}'
    location: location
    tags: tags
  }
}

module storage 'br/public:avm/res/storage/storage-account:0.8.3' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    skuName: 'Standard_LRS'
    dnsEndpointType: 'Standard'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: 'Allow'
      bypass: 'AzureServices'
    }
    blobServices: {
      containers: [
        { name: packages }
      ]
    }
    roleAssignments: [
      {
        roleDefinitionIdOrName: 'Storage Blob Data Owner'
        principalId: identity.outputs.principalId
        principalType: 'ServicePrincipal'
      }
    ]
  }
}

module vault 'br/public:avm/res/key-vault/vault:0.13.3' = {
  name: 'vault'
  scope: group
  params: {
    name: vaultName
    location: location
    tags: tags
    sku: 'standard'
    publicNetworkAccess: 'Enabled'
    enableRbacAuthorization: true
    enablePurgeProtection: false // else the names of a deleted environment are taken for 90 days
    roleAssignments: concat(
      [
        {
          roleDefinitionIdOrName: 'Key Vault Secrets User'
          principalId: identity.outputs.principalId
          principalType: 'ServicePrincipal'
        }
      ],
      empty(principalId) ? [] : [
        {
          roleDefinitionIdOrName: 'Key Vault Secrets Officer'
          principalId: principalId
        }
      ]
    )
  }
}

module workspace 'br/public:avm/res/operational-insights/workspace:0.7.0' = {
  name: 'workspace'
  scope: group
  params: {
    name: 'log-${token}'
    location: location
    tags: tags
    dataRetention: 30
  }
}

module insights 'br/public:avm/res/insights/component:0.4.1' = {
  name: 'insights'
  scope: group
  params: {
    name: 'appi-${token}'
    location: location
    tags: tags
    workspaceResourceId: workspace.outputs.resourceId
    disableLocalAuth: true
    roleAssignments: [
      {
        roleDefinitionIdOrName: 'Monitoring Metrics Publisher'
        principalId: identity.outputs.principalId
        principalType: 'ServicePrincipal'
      }
    ]
  }
}

module plan 'br/public:avm/res/web/serverfarm:0.1.1' = {
  name: 'plan'
  scope: group
  params: {
    name: 'plan-${token}'
    location: location
    tags: tags
    reserved: true
    sku: {
      name: 'FC1'
      tier: 'FlexConsumption'
    }
  }
}

module functionApp 'br/public:avm/res/web/site:0.15.1' = {
  name: 'functionApp'
  scope: group
  params: {
    name: 'func-${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'connector' })
    kind: 'functionapp,linux'
    serverFarmResourceId: plan.outputs.resourceId
    keyVaultAccessIdentityResourceId: identity.outputs.resourceId
    managedIdentities: {
      userAssignedResourceIds: [
        identity.outputs.resourceId
      ]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.outputs.primaryBlobEndpoint}${packages}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.outputs.resourceId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '{{ cookiecutter.python_version }}'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
      }
    }
    siteConfig: {
      alwaysOn: false
    }
    appSettingsKeyValuePairs: union(vaultReferences, {
      AzureWebJobsStorage__blobServiceUri: storage.outputs.primaryBlobEndpoint
      AzureWebJobsStorage__clientId: identity.outputs.clientId
      AzureWebJobsStorage__credential: 'managedidentity'
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insights.outputs.connectionString
    })
  }
  dependsOn: [
    vault
  ]
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP string = functionApp.outputs.name
output AZURE_KEY_VAULT string = vaultName
output AZURE_APPLICATION_INSIGHTS string = insights.outputs.name
